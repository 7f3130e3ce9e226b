#include <fcntl.h>
#include <limits.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/log.h"
#include "cmd/boot.h"
#include "cmd/cmd.h"
#include "cmd/serve.h"
#include "cmd/vm_logs.h"
#include "debuginfo/symbols.h"
#include "supervisor/attached.h"

static const char no_break[] =
	"this line has no BREAK, by which it could be stopped; type echo g >/proc/sysrq-trigger on its "
	"console, and attach once it stands";

static struct err *parse_params(const struct config *cfg, struct serial_place *place, struct serial_params *ret)
{
	const char *where = config_string(cfg, OPT_ATTACH_SERIAL), *parity = config_string(cfg, OPT_ATTACH_PARITY);
	uint64_t speed = config_number(cfg, OPT_ATTACH_SPEED);

	if (!where)
		return err_create(ERR_USAGE, "--serial: where is the line? A device, tcp:HOST:PORT, telnet:HOST:PORT, "
					     "unix:PATH, or pty");
	TRY(err_wrap(serial_place_parse(where, place), "--serial"));
	TRY(err_wrap(serial_check_speed(speed), "--speed"));
	*ret = (struct serial_params){
		.place = place,
		.speed = (uint32_t)speed,
		.parity = streq(parity, "even")  ? SERIAL_PARITY_EVEN
			  : streq(parity, "odd") ? SERIAL_PARITY_ODD
						 : SERIAL_PARITY_NONE,
	};
	return NULL;
}

/* What a build folder has beside vmlinux. */
static void find_build(struct vm_record *r)
{
	_cleanup_(free) char *folder = xstrdup(r->vmlinux), *scripts = NULL, *config = NULL;
	char *slash = strrchr(folder, '/');

	if (!slash)
		return;
	*slash = '\0';
	scripts = xasprintf("%s/vmlinux-gdb.py", folder);
	config = xasprintf("%s/.config", folder);
	if (access(scripts, R_OK) == 0)
		r->gdb_scripts = steal(&scripts);
	if (access(config, F_OK) == 0)
		r->build_dir = steal(&folder);
}

static struct err *make_record(const struct config *cfg, struct vm_record **ret)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = xcalloc(1, sizeof(*r));
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;
	const char *vmlinux = config_string(cfg, OPT_GDB_VMLINUX);
	char real[PATH_MAX];

	if (!vmlinux)
		return err_create(ERR_USAGE, "--vmlinux: which kernel is it? Name the vmlinux that it was built with");
	TRY(symbols_open(vmlinux, &symbols));
	TRY(build_id_read(vmlinux, &r->build_id));
	r->name = xstrdup(config_string(cfg, OPT_VM_NAME));
	r->vmlinux = xstrdup(realpath(vmlinux, real) ? real : vmlinux);
	r->accel = xstrdup("none");
	r->kgdb = true;
	/* Where it lies is seen when it stands. */
	r->kaslr = true;
	find_build(r);
	*ret = steal(&r);
	return NULL;
}

static void announce(const struct vm_record *r, const char *line, void *user)
{
	const struct attached_params *p = user;

	log_info("'%s' is the kernel at the other end of %s", r->name, line);
	if (r->port)
		log_info("debug it with: ktb gdb%s   (by hand: gdb %s -ex 'target remote localhost:%u')",
			 p->name_option, r->vmlinux, r->port);
	if (!p->has_break)
		log_info("%s", no_break);
	log_info("Ctrl-a x leaves the line, Ctrl-a h helps");
}

static struct err *run(struct attached_params *p, int *ret_status)
{
	_cleanup_(rundir_destroy) struct rundir *dir = NULL;
	struct err *e;

	TRY(rundir_create(p->record->name, &dir));
	p->rundir = dir;
	p->record->dir = xstrdup(rundir_path(dir));
	p->started = announce;
	p->user = p;
	boot_ignore_signals_at_the_end();
	e = attached_run(p, ret_status);
	vm_logs_keep(dir, p->record->name, e != NULL);
	return e;
}

static struct err *cmd_attach(struct config *cfg, const struct strv *positional, const struct strv *rest,
			      int *ret_status)
{
	_cleanup_(serial_place_deinit) struct serial_place place = SERIAL_PLACE_INIT;
	_cleanup_(vm_record_destroy) struct vm_record *record = NULL;
	_cleanup_(serve_destroy) struct serve *serve = NULL;
	_cleanup_(terminal_destroy) struct terminal *terminal = NULL;
	_cleanup_(free) char *name_option = NULL;
	struct serial_params serial;
	struct attached_params p = { .serial = &serial };
	const char *name = config_string(cfg, OPT_VM_NAME);

	(void)positional;
	(void)rest;
	if (!name)
		return err_create(ERR_USAGE, "--name: the kernel needs a name");
	TRY(parse_params(cfg, &place, &serial));
	TRY(boot_choose_port(cfg, &p.has_port, &p.port));
	TRY(boot_check_server(cfg));
	TRY(rundir_check_name(name));
	TRY(make_record(cfg, &record));
	boot_learn_layout(record);
	serve = serve_create(cfg, record);
	p.has_break = serial_place_has_break(&place) && !config_bool(cfg, OPT_ATTACH_NO_BREAK);
	if (!p.has_break)
		serve_set_no_break(serve, no_break);
	name_option = streq(name, options[OPT_VM_NAME].def) ? xstrdup("") : xasprintf(" --name %s", name);
	TRY(terminal_create(&terminal));
	p.name_option = name_option;
	p.record = record;
	p.serve = serve_run;
	p.serve_user = serve;
	p.terminal = terminal;
	return run(&p, ret_status);
}

const struct command command_attach = {
	.id = COMMAND_ATTACH,
	.name = "attach",
	.args = "",
	.summary = "debug a kernel that ktb did not start, over its serial line",
	.description =
		"Has the serial line of a board, or of any VM, whose kernel has KGDB on it "
		"(CONFIG_KGDB_SERIAL_CONSOLE,\n"
		"kgdboc=ttyS0,115200): its console is on this terminal, and a debugger can attach at any time (ktb\n"
		"gdb), while both share the line. It is stopped by BREAK and SysRq-g; one that stands at kdb's prompt\n"
		"or waits for a debugger is found there. Ctrl-a x leaves the line, Ctrl-a h helps.\n\n"
		"While it stands, the debugger knows its tasks and modules, and monitor ps and the like work: all is "
		"read\n"
		"over the line. What is no kernel of FILE's is debugged without.\n\n"
		"BREAK works on devices and by telnet, as terminal servers and QEMU (-serial telnet:) take it. Without "
		"it\n"
		"(tcp, unix, pty, --no-break) somebody has to stop the kernel: echo g >/proc/sysrq-trigger.",
	.examples = "  ktb attach --serial /dev/ttyUSB0 --speed 9600 --vmlinux vmlinux\n"
		    "  ktb attach --serial telnet:localhost:7001 --vmlinux vmlinux --name board --port auto\n"
		    "  ktb attach --serial unix:serial.sock --vmlinux vmlinux\n"
		    "  ktb attach --serial pty --vmlinux vmlinux    # a pseudo-terminal for others to open",
	.run = cmd_attach,
};
