#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/rows.h"
#include "cmd/inspect.h"
#include "kernel/dmesg.h"

enum { FOLLOW_INTERVAL_MS = 100, OUTPUT_BYTES = 65536, LEVEL_ALL = 7, CALLER_IS_CPU_SHIFT = 31 };

static const struct rows_column columns[] = {
	{ "SEQ", "seq", ROWS_NUMBER },     { "TIME", "time_ns", ROWS_NUMBER },
	{ "LEVEL", "level", ROWS_TEXT },   { "FACILITY", "facility", ROWS_NUMBER },
	{ "CALLER", "caller", ROWS_TEXT }, { "TEXT", "text", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

static void add_row(struct rows *rows, const struct dmesg *d, const struct dmesg_record *r)
{
	_cleanup_(free) char *text = xstrndup(buf_str(&d->text) + r->text, r->text_len);
	char caller[16];

	snprintf(caller, sizeof(caller), "%c%" PRIu32, r->caller >> CALLER_IS_CPU_SHIFT ? 'C' : 'T',
		 r->caller & INT32_MAX);
	rows_begin(rows);
	rows_u64(rows, r->seq);
	rows_u64(rows, r->time);
	rows_str(rows, dmesg_level_name(r->level));
	rows_u64(rows, r->facility);
	rows_str(rows, r->caller ? caller : NULL);
	rows_str(rows, text);
}

/* [%5u.%06u], in seconds. */
static void add_time(struct buf *out, uint64_t ns)
{
	buf_putc(out, '[');
	buf_number(out, ns / NSEC_PER_SEC, 5, ' ');
	buf_putc(out, '.');
	buf_number(out, ns % NSEC_PER_SEC / 1000, 6, '0');
	buf_puts(out, "] ");
}

/* Each line of the record as the kernel's console has it. Tabs are harmless. */
static void add_lines(struct buf *out, const struct dmesg *d, const struct dmesg_record *r, bool decode)
{
	const char *at = buf_str(&d->text) + r->text, *end = at + r->text_len;

	for (;;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *line_end = newline ? newline : end;

		if (decode)
			buf_printf(out, "%-6s:%-6s: ", dmesg_facility_name(r->facility), dmesg_level_name(r->level));
		add_time(out, r->time);
		while (at < line_end) {
			const char *tab = memchr(at, '\t', (size_t)(line_end - at)), *stop = tab ? tab : line_end;

			printable_append(out, at, (size_t)(stop - at));
			if (tab)
				buf_putc(out, '\t');
			at = stop + (tab != NULL);
		}
		buf_putc(out, '\n');
		if (!newline)
			return;
		at = newline + 1;
	}
}

struct output {
	bool json, follow, decode;
	unsigned int level; /* the least urgent one that is shown */
};

static struct err *write_out(struct buf *text)
{
	if (fwrite(buf_str(text), 1, text->len, stdout) != text->len || fflush(stdout) == EOF)
		return err_os(errno, "write the result");
	buf_clear(text);
	return NULL;
}

static struct err *show(const struct output *o, const struct dmesg *d)
{
	_cleanup_(rows_destroy) struct rows *rows = o->json ? rows_create(columns, true) : NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	for (size_t i = 0; i < d->n; i++) {
		const struct dmesg_record *r = &d->records[i];

		if (r->level > o->level)
			continue;
		if (rows)
			add_row(rows, d, r);
		else
			add_lines(&text, d, r, o->decode);
		/* A little at a time stays in the processor's cache. */
		if (text.len >= OUTPUT_BYTES)
			TRY(write_out(&text));
	}
	TRY(write_out(&text));
	if (d->lost)
		log_warn("messages lost: %zu (overwritten before they were read, or damaged)", d->lost);
	if (rows)
		return o->follow ? rows_emit_lines(rows, stdout) : rows_emit(rows, stdout);
	return NULL;
}

/* False: the VM has gone, or nobody reads what we write. */
static bool wait_a_little(const struct inspect *in)
{
	struct pollfd fds[] = { { .fd = in->sock, .events = POLLIN }, { .fd = STDOUT_FILENO, .events = 0 } };

	return poll(fds, ARRAY_SIZE(fds), FOLLOW_INTERVAL_MS) == 0;
}

/* What came since `next`, which moves on. After a reboot everything is new. */
static struct err *read_new(struct inspect *in, uint64_t *next, struct dmesg *ret)
{
	struct err *e = in->kernel ? dmesg_read(in->kernel, *next, true, ret) : NULL;

	/* The last one's log stays in memory, if the next kernel goes elsewhere. */
	if (e || !in->kernel || ret->restarted || (!ret->n && inspect_was_reset(in))) {
		err_destroy(e);
		dmesg_deinit(ret);
		*next = 0;
		e = inspect_find_kernel(in);
		if (!e)
			e = dmesg_read(in->kernel, 0, true, ret);
	}
	if (!e && ret->n)
		*next = ret->next;
	return e;
}

static struct err *follow(struct inspect *in, const struct output *o)
{
	uint64_t next = 0;

	do {
		_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;
		struct err *e = read_new(in, &next, &d);

		/* A guest that is just being started has no kernel for a while. */
		if (e && err_code(e) != ERR_NOT_FOUND && err_code(e) != ERR_FAULT)
			return e;
		if (!e)
			TRY(show(o, &d));
		err_ignore(e);
	} while (in->sock >= 0 && wait_a_little(in));
	return NULL;
}

static struct err *parse_level(struct config *cfg, unsigned int *ret)
{
	const char *name = config_string(cfg, OPT_INSPECT_LEVEL);
	int level = name ? dmesg_level_parse(name) : LEVEL_ALL;

	if (level < 0)
		return err_create(ERR_USAGE,
				  "--level: '%s' is none of emerg, alert, crit, err, warn, notice, info, debug", name);
	*ret = (unsigned int)level;
	return NULL;
}

static struct err *cmd_dmesg(struct config *cfg, const struct strv *positional, const struct strv *rest,
			     int *ret_status)
{
	struct output o = { .json = config_bool(cfg, OPT_OUTPUT_JSON),
			    .follow = config_bool(cfg, OPT_INSPECT_FOLLOW),
			    .decode = config_bool(cfg, OPT_INSPECT_DECODE) };
	_cleanup_(inspect_deinit) struct inspect in = INSPECT_INIT;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(parse_level(cfg, &o.level));
	if (o.follow && config_bool(cfg, OPT_INSPECT_STOP))
		return err_create(ERR_USAGE, "--follow waits for what the guest says, and --stop keeps it from saying "
					     "anything; take one of them");
	TRY(inspect_open(cfg, &in));
	if (o.follow)
		return follow(&in, &o);
	TRY(dmesg_read(in.kernel, 0, false, &d));
	if (!d.n && !d.lost)
		log_warn("the kernel has not said anything yet");
	return show(&o, &d);
}

const struct command command_dmesg = {
	.id = COMMAND_DMESG,
	.name = "dmesg",
	.args = "",
	.summary = "the kernel's log, read from the guest's memory while it runs",
	.description =
		"Also of a guest that is paused, has hung before its console came up, or panicked, and of a core "
		"file.\n"
		"With --follow it goes on until the VM ends; JSON is then one object a line. Control characters are\n"
		"shown as \\xNN.",
	.examples = "  ktb dmesg\n"
		    "  ktb dmesg -l warn     # warnings and worse\n"
		    "  ktb dmesg -x          # with their levels\n"
		    "  ktb dmesg -w          # what comes, as it comes",
	.run = cmd_dmesg,
};
