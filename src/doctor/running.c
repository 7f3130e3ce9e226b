/*
 * VMs that run, and the last one that ran. A VM is asked by its control socket and looked at from outside; nobody
 * connects to its debug port, which would stop it.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/sock.h"
#include "base/util.h"
#include "debuginfo/symbols.h"
#include "doctor/check.h"
#include "doctor/console_text.h"
#include "supervisor/control.h"
#include "supervisor/debugport.h"
#include "supervisor/rundir.h"

/* A kernel that has said nothing for so long while it boots hangs. Under emulation some steps take seconds. */
enum { CONSOLE_TAIL = 1 << 20, HANG_SECONDS = 30 };

/* --- Which VMs --- */

struct vms {
	struct vm_record **v;
	size_t n;
};

static void vms_deinit(struct vms *vms)
{
	rundir_free_list(vms->v, vms->n);
}
DEFINE_CLEANUP_STORAGE(struct vms, vms_deinit);

static bool is_meant(const struct doctor *d, const struct vm_record *vm)
{
	return !config_origin(d->cfg, OPT_VM_NAME) || streq(vm->name, config_string(d->cfg, OPT_VM_NAME));
}

/* Calls f for each VM that is meant: the one that is named, or all. */
static struct err *for_each_vm(struct doctor *d, struct err *(*f)(struct doctor *d, const struct vm_record *vm))
{
	_cleanup_(vms_deinit) struct vms vms = { NULL, 0 };
	size_t meant = 0;

	TRY(rundir_list(&vms.v, &vms.n));
	for (size_t i = 0; i < vms.n; i++) {
		if (!is_meant(d, vms.v[i]))
			continue;
		meant++;
		TRY(f(d, vms.v[i]));
	}
	if (!meant && config_origin(d->cfg, OPT_VM_NAME))
		say(d, DOCTOR_SKIPPED, xasprintf("no VM '%s' runs", config_string(d->cfg, OPT_VM_NAME)), NULL, NULL);
	else if (!meant)
		say_text(d, DOCTOR_SKIPPED, "no VM runs", NULL, NULL);
	return NULL;
}

/* " --name X", or "" for the name that need not be said. The caller frees it. */
static char *name_option(const struct vm_record *vm)
{
	return streq(vm->name, options[OPT_VM_NAME].def) ? xstrdup("") : xasprintf(" --name %s", vm->name);
}

/* --- The console --- */

/* The last part of a file; a file that isn't there is empty. *ret_age: seconds since it was written to. */
static void read_tail(const char *path, struct buf *ret, uint64_t *ret_age)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	time_t now = time(NULL);
	struct stat st;
	ssize_t n;

	*ret_age = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (now > st.st_mtime)
		*ret_age = (uint64_t)(now - st.st_mtime);
	n = pread(fd, buf_reserve(ret, CONSOLE_TAIL), CONSOLE_TAIL,
		  st.st_size > CONSOLE_TAIL ? st.st_size - CONSOLE_TAIL : 0);
	if (n > 0)
		buf_commit(ret, (size_t)n);
}

static char *duration(uint64_t seconds)
{
	return format_duration(seconds * NSEC_PER_SEC);
}

/* --- What the VM does --- */

struct patient {
	struct doctor *d;
	const struct vm_record *vm;
	const char *option; /* how other commands name it */
	const char *status;
	const struct console_text *text;
	const char *silent; /* since when, for people */
	bool has_output;
	uint64_t silent_s, up_s;
};

static void say_stopped(const struct patient *p)
{
	bool attached = p->vm->port && sock_port_connected(p->vm->port);

	if (attached)
		say(p->d, DOCTOR_WARNING,
		    xasprintf("VM '%s' stands still (%s): a debugger is attached", p->vm->name, p->status),
		    xstrdup("the guest goes on when the debugger says so"), xstrdup("continue in that debugger"));
	else
		say(p->d, DOCTOR_PROBLEM,
		    xasprintf("VM '%s' stands still (%s), and no debugger is attached", p->vm->name, p->status),
		    xstrdup("a debugger or the monitor left it stopped"),
		    xasprintf("ktb gdb%s -- -batch lets it go on; ktb stop%s%s ends it", p->option,
			      *p->option ? " " : "", *p->option ? p->vm->name : ""));
}

static void say_panicked(const struct patient *p)
{
	const char *panic = *p->text->panic ? p->text->panic : "Kernel panic";

	say(p->d, DOCTOR_PROBLEM, xasprintf("VM '%s': %s", p->vm->name, panic),
	    xstrdup("the guest's kernel is dead; the VM is paused as it was then"),
	    xasprintf("%s. ktb gdb%s looks at it", console_text_panic_advice(panic), p->option));
}

static void say_at_kdb(const struct patient *p)
{
	bool asked = !p->text->booted && p->vm->cmdline && strstr(p->vm->cmdline, "kgdbwait");

	say(p->d, DOCTOR_PROBLEM,
	    xasprintf("VM '%s' stands at the prompt of kdb, the kernel's own debugger%s", p->vm->name,
		      asked ? ", because of kgdbwait on its command line" : ""),
	    xstrdup("the whole guest waits until somebody types there"),
	    xasprintf("ktb console%s%s, and type go there%s", *p->option ? " " : "", *p->option ? p->vm->name : "",
		      asked ? "; start it without --kgdb-wait (vm.kgdb_wait, kgdbwait in vm.append)"
			    : "; bt there shows what led to it"));
}

static void say_awaits_kgdb(const struct patient *p)
{
	say(p->d, DOCTOR_PROBLEM, xasprintf("VM '%s' waits for a debugger on its serial line (kgdb)", p->vm->name),
	    xstrdup("the whole guest waits; ktb gdb doesn't use that line"),
	    xasprintf(
		    "ktb console%s%s, and type $3#33, which brings kdb's prompt if the kernel has KGDB_KDB=y, then go; "
		    "start it without kgdbwait",
		    *p->option ? " " : "", *p->option ? p->vm->name : ""));
}

/* The kernel was told to say little: that it says nothing of its boot means nothing. */
static bool is_quiet(const struct vm_record *vm)
{
	return vm->cmdline && (strstr(vm->cmdline, "quiet") || strstr(vm->cmdline, "loglevel="));
}

static void say_running(const struct patient *p)
{
	if (*p->text->panic)
		say(p->d, DOCTOR_PROBLEM, xasprintf("VM '%s': %s", p->vm->name, p->text->panic),
		    xstrdup("the guest's kernel is dead, or was, and the VM was not told"),
		    xstrdup(console_text_panic_advice(p->text->panic)));
	else if (!p->has_output && p->up_s >= HANG_SECONDS)
		say(p->d, DOCTOR_PROBLEM,
		    xasprintf("VM '%s' runs since %s, and has written nothing to its console", p->vm->name, p->silent),
		    xstrdup("the kernel writes to another console, or hangs before it has one"),
		    xasprintf("is console=ttyS0 in vm.cmdline? ktb gdb%s shows where it is (bt)", p->option));
	else if (!p->text->booted && !is_quiet(p->vm) && p->silent_s >= HANG_SECONDS)
		say(p->d, DOCTOR_PROBLEM,
		    xasprintf("VM '%s' runs, and is silent since %s in the middle of its boot", p->vm->name, p->silent),
		    xstrdup("the kernel seems to hang"),
		    xasprintf("ktb gdb%s shows where it is (bt); the end of %s/console.log what it did last", p->option,
			      p->vm->dir));
	else if (*p->text->root)
		say(p->d, DOCTOR_WARNING,
		    xasprintf("VM '%s' runs; its root is still the initramfs: %s", p->vm->name, p->text->root),
		    xstrdup("init could not enter the root that vm.root (--root) names; its shell is in the initramfs"),
		    xstrdup("with partitions it is /dev/vda1, not /dev/vda (ls /dev/vd* in the guest shows them); "
			    "correct "
			    "vm.root, or add what the kernel lacks to [kconfig]"));
	else if (*p->text->trouble)
		say(p->d, DOCTOR_WARNING,
		    xasprintf("VM '%s' runs; its kernel has reported: %s", p->vm->name, p->text->trouble),
		    xstrdup("something in the kernel went wrong; it goes on as well as it can"),
		    xasprintf("read all of it in %s/console.log", p->vm->dir));
	else
		say(p->d, DOCTOR_OK,
		    xasprintf("VM '%s' runs%s; silent since %s", p->vm->name, p->text->booted ? ", and has booted" : "",
			      p->silent),
		    NULL, NULL);
}

static void examine(const struct patient *p)
{
	if (streq(p->status, "panicked"))
		say_panicked(p);
	else if (streq(p->status, "waiting"))
		say(p->d, DOCTOR_WARNING, xasprintf("VM '%s' is held at its first instruction", p->vm->name),
		    xstrdup("it was started with vm.wait (--wait), and waits for a debugger"),
		    xasprintf("ktb gdb%s, and continue there", p->option));
	else if (streq(p->status, "debug") || streq(p->status, "paused"))
		say_stopped(p);
	else if (streq(p->status, "internal-error"))
		say(p->d, DOCTOR_PROBLEM,
		    xasprintf("VM '%s': %s gave up on the guest (internal error)", p->vm->name, p->vm->accel),
		    xstrdup("KVM met an instruction that it can't run"), xstrdup("start it with --accel tcg"));
	else if (!streq(p->status, "running"))
		say(p->d, DOCTOR_PROBLEM, xasprintf("VM '%s' has come to its end (%s)", p->vm->name, p->status),
		    xstrdup("the guest reset itself before it came up, as after a triple fault"),
		    xasprintf("ktb gdb%s shows where; ktb console what it said last", p->option));
	else if (p->text->at_kdb)
		say_at_kdb(p);
	else if (p->text->awaits_kgdb)
		say_awaits_kgdb(p);
	else
		say_running(p);
}

static struct err *ask_status(const struct vm_record *vm, char **ret)
{
	_cleanup_(close) int sock = -1;

	TRY(rundir_connect(vm, "control.sock", &sock));
	return control_status(sock, ret);
}

static struct err *check_vm(struct doctor *d, const struct vm_record *vm)
{
	_cleanup_(free) char *option = name_option(vm), *log = xasprintf("%s/console.log", vm->dir);
	_cleanup_(free) char *status = NULL, *silent = NULL;
	_cleanup_(buf_deinit) struct buf tail = BUF_INIT;
	uint64_t now = (uint64_t)time(NULL), up = now > vm->started ? now - vm->started : 0, age;
	struct console_text text;
	struct err *e = ask_status(vm, &status);

	if (e) {
		_cleanup_(free) char *remedy = xasprintf("wait a moment; if it stays so: kill -9 %d, which ends the VM",
							 (int)vm->pid);
		_cleanup_(free) char *meaning = xasprintf("VM '%s' (process %d) is stopped, ending, or broken",
							  vm->name, (int)vm->pid);

		say_error(d, DOCTOR_PROBLEM, e, meaning, remedy);
		return NULL;
	}
	read_tail(log, &tail, &age);
	console_text_read(buf_str(&tail), tail.len, &text);
	if (!tail.len)
		age = up;
	silent = duration(age);
	const struct patient p = { .d = d,
				   .vm = vm,
				   .option = option,
				   .status = status,
				   .text = &text,
				   .silent = silent,
				   .has_output = tail.len > 0,
				   .silent_s = age,
				   .up_s = up };

	examine(&p);
	return NULL;
}

struct err *check_vms(struct doctor *d)
{
	return for_each_vm(d, check_vm);
}

/* --- Whether GDB can connect --- */

static struct err *check_one_port(struct doctor *d, const struct vm_record *vm)
{
	bool listening;

	if (!vm->port) {
		say(d, DOCTOR_WARNING, xasprintf("VM '%s' has no debug port", vm->name),
		    xstrdup("it was started with vm.port = off: no debugger can connect"),
		    xstrdup("start it again with --port auto"));
		return NULL;
	}
	TRY(sock_port_listening(vm->port, &listening));
	if (!listening)
		say(d, DOCTOR_PROBLEM, xasprintf("nobody listens on port %u of VM '%s'", vm->port, vm->name),
		    xstrdup("the VM is ending, or its supervisor is broken"), xstrdup("ktb stop, then ktb vm"));
	else if (sock_port_connected(vm->port))
		say(d, DOCTOR_WARNING,
		    xasprintf("a debugger is attached to VM '%s' on 127.0.0.1:%u", vm->name, vm->port),
		    xstrdup("another one is refused: one at a time is served"),
		    xstrdup("leave that one before (detach, quit)"));
	else
		say(d, DOCTOR_OK, xasprintf("VM '%s' listens on 127.0.0.1:%u", vm->name, vm->port), NULL, NULL);
	return NULL;
}

struct err *check_vm_port(struct doctor *d)
{
	return for_each_vm(d, check_one_port);
}

/* Of the VM that would be started. */
static bool is_ours(const char *name, uint16_t port)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(err_destroy) struct err *e = rundir_find(name, &vm);

	return !e && vm->port == port;
}

struct err *check_port(struct doctor *d)
{
	const char *text = config_string(d->cfg, OPT_VM_PORT), *name = config_string(d->cfg, OPT_VM_NAME);
	uint64_t number = 0;
	struct err *e;

	if (!text || streq(text, "off") || streq(text, "auto")) {
		say(d, DOCTOR_OK, xasprintf("vm.port = %s", text ? text : "off"), NULL, NULL);
		return NULL;
	}
	e = parse_u64(text, UINT16_MAX, &number);
	if (e || !number) {
		err_ignore(e);
		say(d, DOCTOR_PROBLEM, xasprintf("vm.port = %s is neither a port, auto nor off", text),
		    xstrdup("the VM won't start"), xstrdup("correct it, or leave it out: the default is 1234"));
		return NULL;
	}
	e = debugport_check((uint16_t)number);
	if (!e)
		say(d, DOCTOR_OK, xasprintf("%llu is free", (unsigned long long)number), NULL, NULL);
	else if (name && is_ours(name, (uint16_t)number))
		say(d, DOCTOR_OK, xasprintf("%llu is that of VM '%s', which runs", (unsigned long long)number, name),
		    NULL, NULL);
	else
		say_error(d, DOCTOR_PROBLEM, steal(&e), "the VM won't start",
			  "--port auto takes a free one; ktb gdb finds it");
	err_ignore(e);
	return NULL;
}

/* --- Whether GDB has symbols --- */

static struct err *check_one_vmlinux(struct doctor *d, const struct vm_record *vm)
{
	static const char remedy[] =
		"boot the kernel that is there now (ktb stop, ktb vm), or name the vmlinux of the one "
		"that runs: ktb gdb --vmlinux FILE";
	_cleanup_(symbols_destroy) struct symbols *s = NULL;
	_cleanup_(free) char *id = NULL;
	struct err *e;

	if (!vm->vmlinux) {
		say(d, DOCTOR_WARNING, xasprintf("VM '%s' was started without a vmlinux", vm->name),
		    xstrdup("GDB has no symbols by itself"), xstrdup("name it: ktb gdb --vmlinux FILE"));
		return NULL;
	}
	e = symbols_open(vm->vmlinux, &s);
	if (!e)
		e = build_id_read(vm->vmlinux, &id);
	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "GDB has no symbols of the kernel that runs", remedy);
		return NULL;
	}
	if (vm->build_id && !streq(id, vm->build_id))
		say(d, DOCTOR_PROBLEM,
		    xasprintf("%s is not the kernel that VM '%s' runs: build ID %s, not %s", vm->vmlinux, vm->name, id,
			      vm->build_id),
		    xstrdup("it was built anew since: its symbols would be wrong, and ktb gdb refuses it"),
		    xstrdup(remedy));
	else if (!symbols_functions_n(s) || !symbols_has_debug_info(s))
		say(d, DOCTOR_PROBLEM,
		    xasprintf("%s has no %s", vm->vmlinux, symbols_functions_n(s) ? "debug information" : "symbols"),
		    xstrdup("it was stripped, or built without: ktb gdb refuses it"),
		    xstrdup("ktb build, or --vmlinux FILE"));
	else
		say(d, DOCTOR_OK, xasprintf("VM '%s' runs %s", vm->name, vm->vmlinux), NULL, NULL);
	return NULL;
}

struct err *check_vm_symbols(struct doctor *d)
{
	return for_each_vm(d, check_one_vmlinux);
}

/* --- The last one --- */

struct err *check_last_vm(struct doctor *d)
{
	const char *name = config_string(d->cfg, OPT_VM_NAME);
	_cleanup_(vm_record_destroy) struct vm_record *running = NULL;
	_cleanup_(free) char *cache = NULL, *log = NULL, *ago = NULL;
	_cleanup_(buf_deinit) struct buf tail = BUF_INIT;
	struct console_text text;
	struct err *e = rundir_find(name, &running);
	uint64_t age;

	err_ignore(e);
	TRY(cache_dir(&cache));
	log = xasprintf("%s/logs/%s.log", cache, name ? name : "");
	read_tail(log, &tail, &age);
	if (running || !tail.len) {
		say(d, DOCTOR_SKIPPED, xasprintf(running ? "VM '%s' runs" : "no VM '%s' has run", name ? name : ""),
		    NULL, NULL);
		return NULL;
	}
	console_text_read(buf_str(&tail), tail.len, &text);
	ago = duration(age);
	if (*text.panic)
		say(d, DOCTOR_WARNING,
		    xasprintf("VM '%s', which ended %s ago, had panicked: %s", name, ago, text.panic),
		    xstrdup("the next one may do the same"),
		    xasprintf("%s. The log: %s", console_text_panic_advice(text.panic), log));
	else if (!text.booted)
		say(d, DOCTOR_WARNING, xasprintf("VM '%s', which ended %s ago, had not come as far as init", name, ago),
		    xstrdup("it hung, or was ended while it booted"),
		    xasprintf("the end of %s says how far it came", log));
	else
		say(d, DOCTOR_OK, xasprintf("VM '%s', which ended %s ago, had booted and did not panic", name, ago),
		    NULL, NULL);
	return NULL;
}
