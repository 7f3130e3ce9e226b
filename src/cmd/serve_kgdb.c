#include "cmd/serve_kgdb.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buildid.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/line.h"
#include "target/linux.h"

enum {
	/* The supervisor reads at once; one that doesn't has gone. */
	WRITE_MS = 5000,
	/* So long the kernel's structures are read over the line for one stop of it: GDB waits no longer. */
	FETCH_MS = 45000,
	NOTES_MAX = 1024,
};

struct serve_kgdb {
	struct serve_kgdb_params params;
	struct kernel *kernel;             /* in RAM; NULL: not found (yet) */
	struct target *target;             /* NULL: it begins */
	const struct target *linux_target; /* on top of it, where memory comes over the line; NULL: there is none */
	struct mem *distant;               /* such memory; NULL: there is RAM */
	uint64_t fetched_ns;               /* that was waited for it since the kernel has stopped */
	bool told_slow;
	bool told_stands, stands;
};

/* --- The line --- */

static bool send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return false;
		if (n < 0 && poll(&p, 1, WRITE_MS) == 0)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool say(const struct serve_kgdb *s, enum line_word word, const void *bytes, size_t size)
{
	_cleanup_(buf_deinit) struct buf message = BUF_INIT;

	line_put(&message, word, bytes, size);
	return send_all(s->params.line_fd, message.data, message.len);
}

static ssize_t read_line(void *user, void *ret, size_t len)
{
	const struct serve_kgdb *s = user;

	return recv(s->params.line_fd, ret, len, MSG_DONTWAIT);
}

static ssize_t write_line(void *user, const void *bytes, size_t len)
{
	size_t n = MIN(len, (size_t)LINE_MESSAGE_MAX);

	if (say(user, LINE_WRITE, bytes, n))
		return (ssize_t)n;
	errno = EPIPE;
	return -1;
}

static struct err *send_break(void *user, const char *bytes, size_t len)
{
	const struct serve_kgdb *s = user;

	if (s->params.no_break)
		return err_create(ERR_UNSUPPORTED, "%s", s->params.no_break);
	if (say(s, LINE_BREAK, bytes, len))
		return NULL;
	return err_create(ERR_CLOSED, "the serial line was closed");
}

static void tell(void *user, bool is_packet, size_t len)
{
	(void)say(user, is_packet ? LINE_PACKET : LINE_TEXT, NULL, len);
}

static void tell_stands(void *user, bool stands)
{
	struct serve_kgdb *s = user;

	if (s->told_stands && s->stands == stands)
		return;
	s->told_stands = true;
	s->stands = stands;
	(void)say(s, stands ? LINE_STANDS : LINE_RUNS, NULL, 0);
}

/* --- The guest's memory --- */

/*
 * What lies where it was linked to is believed. One that was moved may be what was left of another one by a reset: that is
 * asked of the kernel that is there.
 */
static bool is_real(const struct kernel *k, void *user)
{
	const struct serve_kgdb *s = user;
	uint8_t seen[4096], meant[sizeof(seen)];
	uint64_t address = kernel_symbol(k, FACT_TEXT);
	bool same;

	if (!kernel_slide(k))
		return true;
	if (!s->target || !mem_try_read(s->params.mem, address, meant, sizeof(meant)))
		return false;
	struct err *e = kgdb_read_line(s->target, address, seen, sizeof(seen));
	same = !e && memcmp(seen, meant, sizeof(seen)) == 0;
	err_ignore(e);
	return same;
}

static const struct kernel *find_kernel(struct serve_kgdb *s)
{
	struct layout_answer facts[KERNEL_FACTS_N];

	if (s->distant)
		return s->linux_target ? linux_target_kernel(s->linux_target) : NULL;
	if (s->kernel || !s->params.mem || !s->params.build_id)
		return s->kernel;
	struct err *e = serve_facts_get(s->params.facts, facts);
	if (!e)
		e = kernel_look(s->params.mem, s->params.build_id, facts, is_real, s, &s->kernel);
	err_ignore(e);
	return s->kernel;
}

static int active_cpu(void *user)
{
	struct serve_kgdb *s = user;
	const struct kernel *k = s->distant ? NULL : find_kernel(s);
	uint64_t address = k ? kernel_symbol(k, FACT_KGDB_ACTIVE) : 0;
	int32_t cpu;

	if (!address || !mem_try_read(s->params.mem, address, &cpu, sizeof(cpu)))
		return KGDB_CPU_UNKNOWN;
	return cpu >= 0 ? cpu : KGDB_NO_CPU;
}

/*
 * It forgets its debugger just before it says so (gdbstub_exit()). Where it can't be seen any more, what it said comes late: the
 * machine has been reset meanwhile, and with it the page tables.
 */
static bool has_left(void *user)
{
	struct serve_kgdb *s = user;
	const struct kernel *k = s->distant ? NULL : find_kernel(s);
	uint64_t address = k ? kernel_symbol(k, FACT_KGDB_CONNECTED) : 0;
	int32_t connected = 0;

	return address && (!mem_try_read(s->params.mem, address, &connected, sizeof(connected)) || !connected);
}

/*
 * What a debugger asks for elsewhere may be a device's: no byte more is read than it wants, and as often as it wants, over the
 * line.
 */
static bool is_image(struct serve_kgdb *s, uint64_t address, size_t len)
{
	const struct kernel *k = find_kernel(s);
	uint64_t text = k ? kernel_symbol(k, FACT_TEXT) : 0, end = k ? kernel_symbol(k, FACT_IMAGE_END) : 0;

	return address >= text && address < end && len <= end - address;
}

static bool read_ram(void *user, uint64_t address, void *ret, size_t len)
{
	struct serve_kgdb *s = user;

	if (s->distant)
		return is_image(s, address, len) && mem_try_read(s->distant, address, ret, len);
	return find_kernel(s) && mem_try_read(s->params.mem, address, ret, len);
}

static uint64_t variable(void *user, enum kgdb_variable which)
{
	const struct kernel *k = find_kernel(user);

	return k ? kernel_symbol(k, which == KGDB_VARIABLE_ACTIVE ? FACT_KGDB_ACTIVE : FACT_DBG_KDB_MODE) : 0;
}

/* --- The same over the line --- */

static struct err *fetch(void *user, uint64_t address, void *ret, size_t len)
{
	struct serve_kgdb *s = user;
	uint64_t begin = now_ns();
	struct err *e;

	if (!s->target || !s->stands)
		return err_create(ERR_CLOSED, "the kernel doesn't stand still");
	if (s->fetched_ns > FETCH_MS * NSEC_PER_MSEC) {
		if (!s->told_slow)
			log_warn("what there is to be seen of the kernel takes more than %d s over the line; the rest "
				 "is left "
				 "out",
				 FETCH_MS / 1000);
		s->told_slow = true;
		return err_create(ERR_TIMEOUT, "it takes too long over the line");
	}
	e = kgdb_read_line(s->target, address, ret, len);
	s->fetched_ns += now_ns() - begin;
	return e;
}

static void changed(void *user)
{
	struct serve_kgdb *s = user;

	if (s->distant)
		mem_forget(s->distant);
	s->fetched_ns = 0;
}

struct mem *serve_kgdb_mem(struct serve_kgdb *s)
{
	return mem_share(s->distant);
}

void serve_kgdb_set_linux(struct serve_kgdb *s, const struct target *t)
{
	s->linux_target = t;
}

static struct err *registers(void *user, uint32_t cpu, struct cpu_registers *ret)
{
	struct serve_kgdb *s = user;

	return kgdb_cpu_registers(s->target, cpu, ret);
}

bool serve_kgdb_lend(struct serve_kgdb *s, struct lender *ret)
{
	const struct kernel *k = s->distant ? find_kernel(s) : NULL;

	if (k)
		*ret = (struct lender){ s->distant, kernel_slide(k), registers, s };
	return k;
}

static void keep_output(const char *text, size_t len, void *user)
{
	buf_append(user, text, MIN(len, (size_t)NOTES_MAX));
}

/*
 * kdb says where symbols are, and so which kernel it is, whatever vmlinux says. It rounds down to words of that size. False: there is no
 * kdb, or it has no such name.
 */
static bool ask_kdb(struct serve_kgdb *s, const char *name, uint64_t *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(free) char *command = xasprintf("kdb md4c1 %s", name);
	struct err *e = target_monitor(s->target, 0, command, keep_output, &text);
	const char *number = e ? NULL : strstr(buf_str(&text), "0x");

	err_ignore(e);
	*ret = number ? strtoull(number, NULL, 16) : 0;
	return *ret;
}

char *serve_kgdb_other_build_id(struct serve_kgdb *s)
{
	uint8_t notes[NOTES_MAX];
	uint64_t at;
	size_t len = sizeof(notes);

	if (!s->distant || !ask_kdb(s, "__start_notes", &at))
		return NULL;
	/* What is behind them is of no use, and need not be there. */
	len = MIN(len, (size_t)(4096 - at % 4096));
	return mem_try_read(s->distant, at, notes, len) ? build_id_find(notes, len) : NULL;
}

/* --- Putting it together --- */

struct serve_kgdb *serve_kgdb_create(const struct serve_kgdb_params *params)
{
	struct serve_kgdb *s = xcalloc(1, sizeof(*s));

	s->params = *params;
	if (!params->mem)
		s->distant = mem_open_distant(fetch, s);
	return s;
}

void serve_kgdb_destroy(struct serve_kgdb *s)
{
	if (!s)
		return;
	kernel_destroy(s->kernel);
	mem_destroy(s->params.mem);
	mem_destroy(s->distant);
	free(s);
}

struct err *serve_kgdb_target(struct serve_kgdb *s, struct target **ret)
{
	const struct kgdb_params params = {
		.line = { .fd = s->params.line_fd,
			  .read = read_line,
			  .write = write_line,
			  .send_break = send_break,
			  .tell = tell,
			  .stands = tell_stands,
			  .user = s },
		.takes_output = s->params.cmdline && strstr(s->params.cmdline, "kgdbcon"),
		.active_cpu = active_cpu,
		.has_left = has_left,
		.read_ram = read_ram,
		.variable = variable,
		.changed = changed,
		.user = s,
		.tap = s->params.tap,
		.tap_user = s->params.tap_user,
	};

	TRY(kgdb_target_create(&params, ret));
	s->target = *ret;
	return NULL;
}
