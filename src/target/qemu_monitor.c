#include <string.h>

#include "base/util.h"
#include "target/qemu_private.h"

enum { NAME_SHOWN = 32 };

/* They look at the machine, or do what the guest, or a debugger by other packets, can do to itself. */
static const char *const harmless[] = {
	"help",    "?",       "info", "x",   "xp",   "p", "print",        "gva2gpa",
	"gpa2hva", "gpa2hpa", "sum",  "cpu", "i",    "o", "nmi",          "mce",
	"sendkey", "log",     "stop", "s",   "cont", "c", "system_reset", "system_powerdown",
	"q",       "quit",
};

/* A command's name ends where QEMU's parser has it end: at a space, or at the / of a format. */
static size_t name_length(const char *name)
{
	size_t n = 0;

	while (name[n] && name[n] != '/' && name[n] != ' ')
		n++;
	return n;
}

static bool is_command(const char *line, const char *name)
{
	return name_length(line) == strlen(name) && memcmp(line, name, strlen(name)) == 0;
}

bool qemu_monitor_allowed(const char *line)
{
	for (const char *c = line; *c; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			return false;
	}
	line += strspn(line, " ");
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (is_command(line, harmless[i]))
			return true;
	}
	return !*line;
}

struct err *qemu_monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT, reply = BUF_INIT;
	struct qemu_target *q = qemu_target(t);

	(void)thread;
	line += strspn(line, " ");
	if (!qemu_monitor_allowed(line))
		return err_create(ERR_USAGE,
				  "'%.*s' is not for the debug port: QEMU's monitor can change files and run programs "
				  "here.\nThe whole monitor is on the console of ktb vm (not --detach): press Ctrl-a c "
				  "there",
				  (int)MIN(name_length(line), (size_t)NAME_SHOWN), line);
	buf_puts(&request, "qRcmd,");
	rsp_put_hex_text(&request, line);
	/* It may have changed registers, and which CPU is meant. */
	qemu_forget_registers(q);
	q->selected = 0;
	TRY(rsp_client_call_output(q->stub, request.data, request.len, QEMU_TIMEOUT_MS, output, user, &reply));
	TRY(rsp_reply_error(reply.data, reply.len, ERR_BAD_DATA));
	/* The stub has no word for it while the machine stands. */
	q->resetting = q->resetting || is_command(line, "system_reset");
	return NULL;
}
