#include "cmd/demo_check.h"

/* A function for a line of the transcript (not ended by NUL, len bytes): is it the one? */
typedef bool (*line_matcher)(const char *line, size_t len);

void demo_gdb_args(struct strv *ret)
{
	static const char *const commands[] = {
		/* Kernel threads are made by kernel_clone() too, always with CLONE_UNTRACED. */
		"break kernel_clone if !(args->flags & 0x800000)",
		"continue",
		"delete",
		"backtrace",
		"info registers",
		"lx-ps",
		"lx-dmesg",
		"detach",
	};

	strv_add(ret, "-batch");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		strv_add(ret, "-ex");
		strv_add(ret, commands[i]);
	}
}

/* The first line for which match says so, from *text on, which moves behind it. NULL if there is none. */
static const char *find_line(const char **text, line_matcher match, size_t *ret_len)
{
	const char *p = *text;

	while (*p) {
		const char *line = p;
		size_t len = strcspn(p, "\n");

		p += len + (p[len] == '\n');
		if (match(line, len)) {
			*text = p;
			*ret_len = len;
			return line;
		}
	}
	return NULL;
}

static bool has_line(const char *text, line_matcher match)
{
	size_t len;

	return find_line(&text, match, &len) != NULL;
}

static const char *find_in(const char *line, size_t len, const char *what)
{
	return memmem(line, len, what, strlen(what));
}

static size_t count_digits(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* Ends with " at FILE:LINE". */
static bool has_source(const char *line, size_t len)
{
	const char *at = find_in(line, len, " at ");
	size_t digits = 0;

	while (digits < len && count_digits(line + len - digits - 1, 1))
		digits++;
	return at && digits > 0 && digits < len && line[len - digits - 1] == ':';
}

/* "#N  [0xADDRESS in ]FUNCTION (...": where FUNCTION begins, else NULL. */
static const char *frame_function(const char *line, size_t len)
{
	const char *end = line + len, *p = line + 1, *in;
	size_t digits;

	if (!len || *line != '#')
		return NULL;
	digits = count_digits(p, (size_t)(end - p));
	p += digits;
	while (p < end && *p == ' ')
		p++;
	in = find_in(p, (size_t)(end - p), " in ");
	if (in && end - p > 2 && p[0] == '0' && p[1] == 'x')
		p = in + 4;
	return digits && p < end ? p : NULL;
}

static bool is_frame_of(const char *line, size_t len, const char *function)
{
	const char *own = frame_function(line, len);
	size_t n = strlen(function), left = own ? len - (size_t)(own - line) : 0;

	return own && left > n && strncmp(own, function, n) == 0 && own[n] == ' ' && has_source(line, len);
}

static bool is_stop(const char *line, size_t len)
{
	return find_in(line, len, "Breakpoint ") && find_in(line, len, ", kernel_clone (") && has_source(line, len);
}

static bool is_innermost(const char *line, size_t len)
{
	return len > 2 && skip_prefix(line, "#0 ") && is_frame_of(line, len, "kernel_clone");
}

static bool is_system_call(const char *line, size_t len)
{
	return is_frame_of(line, len, "do_syscall_64") || is_frame_of(line, len, "entry_SYSCALL_64");
}

static bool is_rip(const char *line, size_t len)
{
	const char *name = skip_prefix(line, "rip ");

	return name && find_in(line, len, " 0xffffffff") && find_in(line, len, "<kernel_clone");
}

/* "0xADDRESS  PID  COMM" */
static bool is_task(const char *line, size_t len, const char *pid, const char *comm)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	_cleanup_(free) char *copy = xstrndup(line, len);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " \t"))) {
		if (*word)
			strv_add(&words, word);
	}
	return words.n == 3 && skip_prefix(words.v[0], "0x") && streq(words.v[1], pid) && streq(words.v[2], comm);
}

static bool is_init(const char *line, size_t len)
{
	return is_task(line, len, "1", "init");
}

static bool is_kthreadd(const char *line, size_t len)
{
	return is_task(line, len, "2", "kthreadd");
}

static bool is_first_message(const char *line, size_t len)
{
	return *line == '[' && find_in(line, len, "] Linux version ");
}

static bool is_complaint(const char *line, size_t len)
{
	return find_in(line, len, "Error occurred in Python") || find_in(line, len, "Python Exception") ||
	       find_in(line, len, "Undefined command: \"lx-") || find_in(line, len, "Connection refused") ||
	       find_in(line, len, "Cannot insert breakpoint") || find_in(line, len, "Remote connection closed") ||
	       find_in(line, len, "The program is not being run");
}

static struct err *missing(const char *text, const char *what)
{
	struct err *e = err_create(ERR_BAD_DATA, "GDB %s", what);
	size_t len;
	const char *line = find_line(&text, is_complaint, &len);

	return line ? err_append(e, "; it said: %.*s", (int)len, line) : e;
}

/* Frames that go out from kernel_clone must be of that backtrace, so they are looked for behind its first line. */
static struct err *check_backtrace(const char *text)
{
	const char *rest = text;
	size_t len;

	if (!find_line(&rest, is_innermost, &len))
		return missing(text, "printed no backtrace that begins in kernel_clone with file and line");
	if (!has_line(rest, is_system_call))
		return missing(text, "printed a backtrace that doesn't reach the entry of a system call with file and "
				     "line");
	return NULL;
}

struct err *demo_check_transcript(const char *text)
{
	if (!has_line(text, is_stop))
		return missing(text, "did not stop in kernel_clone");
	TRY(check_backtrace(text));
	if (!has_line(text, is_rip))
		return missing(text, "printed no registers with rip in kernel_clone");
	if (!has_line(text, is_init) || !has_line(text, is_kthreadd))
		return missing(text, "did not list init (1) and kthreadd (2) with lx-ps");
	if (!has_line(text, is_first_message))
		return missing(text, "did not print the kernel's log with lx-dmesg");
	return NULL;
}
