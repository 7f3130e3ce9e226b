/*
 * Sources, in the kernel: kernel/debug/kdb/kdb_support.c and kdb_bt.c (prompts "[CPU]kdb> " and "more> "),
 * kernel/debug/debug_core.c ("Waiting for connection from remote gdb"), kernel/debug/kdb/kdb_main.c ("Entering please attach
 * debugger"), init/main.c ("Run %s as init process"),
 * lib/bug.c, kernel/watchdog.c, kernel/hung_task.c, kernel/rcu/tree_stall.h.
 */
#include "doctor/console_text.h"

#include "base/util.h"
#include "vm/panic.h"

enum { LINE_MAX_BYTES = 255 };

/* Of a line without its end: what is printable, without colours. */
static void clean_line(const char *line, size_t len, char ret[LINE_MAX_BYTES + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < LINE_MAX_BYTES; i++) {
		if (line[i] == '\033' && i + 1 < len && line[i + 1] == '[') {
			for (i += 2; i < len && !(line[i] >= '@' && line[i] <= '~'); i++)
				;
		} else if (line[i] >= ' ' && line[i] <= '~') {
			ret[n++] = line[i];
		}
	}
	ret[n] = '\0';
}

static bool is_prompt(const char *line)
{
	const char *p = *line == '[' ? line + 1 + strspn(line + 1, "0123456789") : NULL;

	return skip_prefix(line, "more>") || skip_prefix(line, "kdb>") ||
	       (p && p > line + 1 && skip_prefix(p, "]kdb>"));
}

/* Behind the time that the kernel puts in front: "[    1.234567] ". */
static const char *skip_time(const char *line)
{
	const char *end = *line == '[' ? strstr(line, "] ") : NULL;

	return end ? end + 2 : line;
}

static bool is_trouble(const char *line)
{
	static const char *const beginnings[] = {
		"BUG: ",           "Oops: ",      "WARNING: ", "INFO: task ",     "general protection fault",
		"watchdog: BUG: ", "rcu: INFO: ", "UBSAN: ",   "Internal error: "
	};

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		if (skip_prefix(line, beginnings[i]))
			return true;
	}
	return false;
}

/* guest/root.c says what hindered it, and then that the root stays as it is. */
static void read_init(const char *words, char why[LINE_MAX_BYTES + 1], struct console_text *ret)
{
	if (streq(words, "the root stays the initramfs"))
		memcpy(ret->root, *why ? why : words, strlen(*why ? why : words) + 1);
	else
		memcpy(why, words, strlen(words) + 1);
}

static void read_line(const char *line, char init[LINE_MAX_BYTES + 1], struct console_text *ret)
{
	const char *text = skip_time(line), *words = skip_prefix(line, "init: ");

	if (words)
		read_init(words, init, ret);

	ret->at_shell = text == line && (has_suffix(line, "# ") || has_suffix(line, "$ "));
	if (skip_prefix(text, "Run ") && strstr(text, " as init process"))
		ret->booted = true;
	if (!*ret->trouble && is_trouble(text))
		memcpy(ret->trouble, text, strlen(text) + 1);
	/* Each of these is what the end is, until something else follows. */
	ret->at_kdb = is_prompt(line);
	ret->awaits_kgdb = strstr(text, "Waiting for connection from remote gdb") ||
			   strstr(text, "Entering please attach debugger");
}

void console_text_read(const char *text, size_t len, struct console_text *ret)
{
	struct panic_watch watch = { .len = 0 };
	char init[LINE_MAX_BYTES + 1] = ""; /* what init said last */
	const char *panic;

	*ret = (struct console_text){ .at_kdb = false };
	panic_watch_feed(&watch, text, len);
	panic = panic_watch_line(&watch);
	if (panic)
		clean_line(panic, strlen(panic), ret->panic);
	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t n = newline ? (size_t)(newline - text) : len;
		char line[LINE_MAX_BYTES + 1];

		clean_line(text, n, line);
		if (*line)
			read_line(line, init, ret);
		n += newline != NULL;
		text += n;
		len -= n;
	}
	ret->booted = ret->booted || ret->at_shell;
}

const char *console_text_panic_advice(const char *panic)
{
	static const struct {
		const char *text, *advice;
	} advices[] = {
		{ "Unable to mount root fs", "the kernel found no root file system and no initramfs: take root= and "
					     "rdinit= out of vm.append, and BLK_DEV_INITRD=n out of [kconfig]" },
		{ "No working init found", "the kernel found no program to run as init: take init= and rdinit= out of "
					   "vm.append" },
		{ "Requested init",
		  "the program that init= names is not in the guest, or can't run there: correct it, or "
		  "put it there with vm.files" },
		{ "Attempted to kill init",
		  "the program that ran as init has ended; the lines before the panic say why. "
		  "Is there an init= or rdinit= in vm.append?" },
		{ "Out of memory", "give the guest more memory: --memory, vm.memory" },
		{ "System is deadlocked on memory", "give the guest more memory: --memory, vm.memory" },
		{ "IO-APIC", "the clock was too slow for a check of the kernel's: add no_timer_check to vm.append" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		if (strstr(panic, advices[i].text))
			return advices[i].advice;
	}
	return "read what the console said before it: ktb console, or the log; look at the place with ktb gdb and bt";
}
