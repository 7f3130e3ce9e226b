#include "cmd/serve.h"

#include <fcntl.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "cmd/serve_facts.h"
#include "cmd/serve_kgdb.h"
#include "cmd/serve_modules.h"
#include "cmd/serve_monitor.h"
#include "cmd/serve_placed.h"
#include "rsp/transcript.h"
#include "server/session.h"
#include "target/linux.h"
#include "target/qemu.h"
#include "vm/ram.h"

struct serve {
	const struct config *cfg;
	const struct vm_record *vm;
	struct serve_modules *modules;
	struct serve_facts facts;
	struct serve_placed *placed; /* of the session */
	struct serve_kgdb *kgdb;     /* the same; NULL: it is QEMU's stub */
	const char *no_break;        /* see serve_set_no_break(); NULL: there is one */
};

struct serve *serve_create(const struct config *cfg, const struct vm_record *record)
{
	struct serve *s = xcalloc(1, sizeof(*s));

	s->cfg = cfg;
	s->vm = record;
	s->modules = serve_modules_create(record, config_list(cfg, OPT_GDB_MODULES));
	s->facts = (struct serve_facts)SERVE_FACTS_INIT;
	return s;
}

void serve_set_no_break(struct serve *s, const char *why)
{
	s->no_break = why;
}

void serve_destroy(struct serve *s)
{
	if (!s)
		return;
	serve_facts_deinit(&s->facts);
	serve_modules_destroy(s->modules);
	free(s);
}

/* --- The transcript --- */

struct trace {
	int fd; /* -1: none */
	uint64_t began;
};

static void write_record(struct trace *t, enum rsp_side side, enum rsp_direction direction, enum rsp_event event,
			 const char *payload, size_t len)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;
	const struct rsp_record record = {
		.time_us = (now_ns() - t->began) / 1000,
		.side = side,
		.direction = direction,
		.event = event,
		.payload = payload,
		.len = len,
	};
	struct err *e;

	if (t->fd < 0)
		return;
	rsp_transcript_put(&line, &record);
	e = write_all(t->fd, line.data, line.len);
	if (!e)
		return;
	log_warn("the transcript ends here: %s", err_message(e));
	err_ignore(e);
	close(steal_fd(&t->fd));
}

static void trace_client(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len,
			 void *user)
{
	write_record(user, RSP_SIDE_CLIENT, direction, event, payload, len);
}

static void trace_stub(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len, void *user)
{
	write_record(user, RSP_SIDE_STUB, direction, event, payload, len);
}

/* A new session begins where the last one's transcript ends. */
static void open_trace(const struct serve *s, struct trace *ret)
{
	const char *path = config_string(s->cfg, OPT_VM_TRACE_RSP);

	*ret = (struct trace){ .fd = -1, .began = now_ns() };
	if (!path)
		return;
	ret->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ret->fd < 0)
		log_warn("no transcript can be written to %s: %m", path);
}

/* --- What knows about Linux --- */

static struct err *load_facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	struct serve *s = user;

	return serve_facts_get(&s->facts, ret);
}

static struct err *find_module(void *user, const struct module *m, char **ret, bool *ret_stale)
{
	const struct serve *s = user;

	return serve_modules_find(s->modules, m, ret, ret_stale);
}

static struct err *place_module(void *user, const char *path, const uint64_t *addresses, size_t n, char **ret,
				uint64_t *ret_base)
{
	const struct serve *s = user;

	return serve_placed_copy(s->placed, path, addresses, n, ret, ret_base);
}

static struct err *run_command(void *user, const char *line, target_output output, void *output_user, bool *ret_known)
{
	const struct serve *s = user;
	struct lender lender;
	bool lends = s->kgdb && serve_kgdb_lend(s->kgdb, &lender);

	return serve_monitor(s->vm->name, lends ? &lender : NULL, line, output, output_user, ret_known);
}

static char *find_other(void *user)
{
	const struct serve *s = user;

	return s->kgdb ? serve_kgdb_other_build_id(s->kgdb) : NULL;
}

/*
 * KGDB itself stops at an oops, with the registers of the culprit, and takes no breakpoints where that is dealt with. *ret is NULL
 * if nothing else is to be stopped at.
 */
static char *stops_beside_kgdb(const char *stop_on)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;

	if (stop_on && strstr(stop_on, "panic"))
		strv_add(&words, "panic");
	if (stop_on && strstr(stop_on, "warn"))
		strv_add(&words, "warn");
	return words.n ? strv_join(&words, ",") : NULL;
}

static struct err *open_ram(const struct serve *s, int ram_fd, struct mem **ret)
{
	struct mem_range ranges[VM_RAM_RANGES_MAX];

	return mem_open_ram(ram_fd, ranges, vm_ram_ranges(s->vm->memory, ranges), ret);
}

/* mem: handed over. Whatever it fails at costs what it would have added. */
static struct target *add_linux(const struct serve *s, struct mem *mem, struct target *beneath)
{
	const char *stop_on = config_string(s->cfg, OPT_GDB_STOP_ON);
	_cleanup_(free) char *beside_kgdb = s->kgdb ? stops_beside_kgdb(stop_on) : NULL;
	struct linux_params params = {
		.mem = mem,
		.build_id = s->vm->build_id,
		.vmlinux = s->vm->vmlinux,
		.tasks = config_string(s->cfg, OPT_GDB_TASKS),
		.stop_on = s->kgdb ? beside_kgdb : stop_on,
		.facts = load_facts,
		.module_file = find_module,
		.place_module = place_module,
		.monitor = run_command,
		.other_build_id = find_other,
		.user = (void *)(uintptr_t)s,
	};

	return linux_target_create(&params, beneath);
}

static struct target *add_linux_in_ram(const struct serve *s, int ram_fd, struct target *beneath)
{
	struct mem *mem;
	struct err *e;

	if (!s->vm->build_id || ram_fd < 0)
		return beneath;
	e = open_ram(s, ram_fd, &mem);
	if (!e)
		return add_linux(s, mem, beneath);
	log_warn("debugging goes on without knowledge of Linux: %s", err_message(e));
	err_destroy(e);
	return beneath;
}

static struct err *open_kgdb(struct serve *s, const struct debugport_session *session, struct trace *trace,
			     struct target **ret)
{
	struct serve_kgdb_params params = {
		.line_fd = session->line_fd,
		.facts = &s->facts,
		.build_id = s->vm->build_id,
		.cmdline = s->vm->cmdline,
		.no_break = s->no_break,
		.tap = trace->fd >= 0 ? trace_stub : NULL,
		.tap_user = trace,
	};
	struct target *machine;

	if (session->ram_fd >= 0)
		TRY(open_ram(s, session->ram_fd, &params.mem));
	s->kgdb = serve_kgdb_create(&params);
	TRY(serve_kgdb_target(s->kgdb, &machine));
	if (session->ram_fd >= 0 || !s->vm->build_id) {
		*ret = add_linux_in_ram(s, session->ram_fd, machine);
		return NULL;
	}
	*ret = add_linux(s, serve_kgdb_mem(s->kgdb), machine);
	serve_kgdb_set_linux(s->kgdb, *ret);
	return NULL;
}

static struct err *open_qemu(const struct serve *s, const struct debugport_session *session, struct trace *trace,
			     struct target **ret)
{
	struct qemu_params params = {
		.stub_fd = session->stub_fd,
		.patches_memory = s->vm->accel && streq(s->vm->accel, "kvm"),
		.may_have_steps = session->client_fd < 0,
		.tap = trace->fd >= 0 ? trace_stub : NULL,
		.tap_user = trace,
	};
	struct mem_range ranges[VM_RAM_RANGES_MAX];
	struct target *machine;

	if (session->ram_fd >= 0)
		TRY(mem_open_ram(session->ram_fd, ranges, vm_ram_ranges_of_cpus(s->vm->memory, ranges), &params.mem));
	TRY(qemu_target_create(&params, &machine));
	*ret = add_linux_in_ram(s, session->ram_fd, machine);
	return NULL;
}

static struct err *open_target(struct serve *s, const struct debugport_session *session, struct trace *trace,
			       struct target **ret)
{
	struct err *e;

	if (session->stub_fd >= 0)
		return open_qemu(s, session, trace, ret);
	if (session->line_fd < 0)
		return err_create(ERR_CLOSED, "there is no serial line");
	e = open_kgdb(s, session, trace, ret);
	if (e && session->client_fd >= 0)
		session_refuse(session->client_fd, err_message(e));
	return e;
}

static void end_kgdbp(struct serve *const *s)
{
	serve_kgdb_destroy(steal(&(*s)->kgdb));
}

struct err *serve_run(const struct debugport_session *session, void *user)
{
	_cleanup_(end_kgdb) struct serve *s = user;
	_cleanup_(serve_placed_destroy) struct serve_placed *placed = s->placed = serve_placed_create();
	_cleanup_(target_destroy) struct target *t = NULL;
	struct session_params params = {
		.stop_on_disconnect = streq(config_string(s->cfg, OPT_GDB_ON_DISCONNECT), "stop"),
		.to_run = session->to_run,
	};
	struct trace trace;
	struct err *e;

	s->facts.build_id = s->vm->build_id;
	s->facts.vmlinux = s->vm->vmlinux;
	open_trace(s, &trace);
	e = open_target(s, session, &trace, &t);
	/* Then there is nothing left to clear away on a line: another server process would only ask the same once more. */
	if (e && session->line_fd >= 0) {
		log_warn("debug session: %s", err_message(e));
		err_destroy(e);
		return NULL;
	}
	TRY(e);
	/* What the one that died has left behind, breakpoints and steps that were asked for, goes. */
	if (session->client_fd < 0)
		return session->goes_on ? target_detach(t) : target_leave(t);
	if (trace.fd >= 0) {
		params.tap = trace_client;
		params.tap_user = &trace;
	}
	return session_run(session->client_fd, session->word_fd, t, &params);
}
