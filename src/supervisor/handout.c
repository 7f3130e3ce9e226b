/*
 * What QEMU says about a guest, handed on to a client of the control socket. QEMU takes its time, and the supervisor can't
 * wait; so the client gets a pipe at once, and reads there what comes.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "supervisor/state.h"

/* How QEMU knows the pipe. */
#define DUMP_FD "ktb-dump"

struct handout {
	struct handout *next;
	struct supervisor *s;
	int fd; /* the pipe's writing end */
};

static struct json_object *dump_name(const char *key, const char *name)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, key, json_object_new_string(name));
	return arguments;
}

static struct err *create(struct supervisor *s, struct handout **ret, int *ret_read_fd)
{
	struct handout *h;
	int read_fd, write_fd;

	TRY(process_pipe(&read_fd, &write_fd));
	set_nonblock(write_fd, true);
	h = xcalloc(1, sizeof(*h));
	h->s = s;
	h->fd = write_fd;
	h->next = s->handouts;
	s->handouts = h;
	*ret = h;
	*ret_read_fd = read_fd;
	return NULL;
}

static void destroy(struct handout *h)
{
	for (struct handout **p = &h->s->handouts; *p; p = &(*p)->next) {
		if (*p == h) {
			*p = h->next;
			break;
		}
	}
	close(h->fd);
	free(h);
}

/*
 * A value, texts as they are and the rest as JSON. It fits into a pipe; a client that has gone, or one that QEMU says more to
 * than that, gets what it gets.
 */
static struct err *on_value(struct json_object *value, const char *error, void *user)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	struct handout *h = user;
	const char *text = error || !value ? "" : json_object_get_string(value);

	if (error)
		log_debug("QEMU: %s", error);
	e = write_all(h->fd, text, strlen(text));
	if (e)
		log_debug("hand out what QEMU said: %s", err_message(e));
	destroy(h);
	return NULL;
}

struct err *handout_registers(struct supervisor *s, unsigned int cpu, int *ret)
{
	struct json_object *arguments;
	struct handout *h;

	if (cpu >= s->vm.cpus)
		return err_create(ERR_NOT_FOUND, "there is no vCPU %u; the VM has %u", cpu, s->vm.cpus);
	if (!s->qmp)
		return err_create(ERR_CLOSED, "QEMU has ended");
	TRY(create(s, &h, ret));
	arguments = json_object_new_object();
	json_object_object_add(arguments, "command-line", json_object_new_string("info registers"));
	json_object_object_add(arguments, "cpu-index", json_object_new_int((int)cpu));
	qmp_command(s->qmp, "human-monitor-command", arguments, on_value, h);
	return NULL;
}

/* --- Dumps --- */

static void set_dump_error(struct supervisor *s, const char *error)
{
	free(s->dump_error);
	s->dump_error = error ? xstrdup(error) : NULL;
}

/* It has begun, or never will. */
static struct err *on_dump(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;

	(void)value;
	if (!error)
		return NULL;
	set_dump_error(s, error);
	s->dumping = false;
	/* If it was opened at all, that is to end. */
	qmp_command(s->qmp, "closefd", dump_name("fdname", DUMP_FD), NULL, NULL);
	lifecycle_go_on(s);
	return NULL;
}

struct err *handout_dump(struct supervisor *s, int *ret)
{
	_cleanup_(close) int ours = -1, theirs = -1;
	struct json_object *arguments;

	if (s->dumping)
		return err_create(ERR_OS, "a dump of this VM is under way already");
	if (!s->qmp || s->outcome != OUTCOME_NONE)
		return err_create(ERR_CLOSED, "the VM is about to end");
	/* QEMU writes to it as to a file: its end has to block. */
	TRY(process_pipe(&ours, &theirs));
	TRY(qmp_send_fd(s->qmp, DUMP_FD, theirs));
	arguments = dump_name("protocol", "fd:" DUMP_FD);
	json_object_object_add(arguments, "paging", json_object_new_boolean(false));
	json_object_object_add(arguments, "detach", json_object_new_boolean(true));
	json_object_object_add(arguments, "format", json_object_new_string("kdump-zlib"));
	set_dump_error(s, NULL);
	s->dumping = true;
	qmp_command(s->qmp, "dump-guest-memory", arguments, on_dump, s);
	*ret = steal_fd(&ours);
	return NULL;
}

void handout_dump_ended(struct supervisor *s, struct json_object *data)
{
	struct json_object *value = NULL;

	if (s->dumping && json_object_object_get_ex(data, "error", &value))
		set_dump_error(s, json_object_get_string(value));
	s->dumping = false;
}

struct err *handout_dump_state(struct supervisor *s, int *ret)
{
	struct handout *h;

	if (s->dump_error)
		return err_create(ERR_OS, "QEMU's dump failed: %s", s->dump_error);
	if (!s->qmp)
		return err_create(ERR_CLOSED, "QEMU has ended");
	TRY(create(s, &h, ret));
	qmp_command(s->qmp, "query-dump", NULL, on_value, h);
	return NULL;
}

void handout_drop_all(struct supervisor *s)
{
	while (s->handouts)
		destroy(s->handouts);
}
