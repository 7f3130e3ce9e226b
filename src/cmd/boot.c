#include "cmd/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "cmd/attach.h"
#include "cmd/build.h"
#include "cmd/foreign.h"
#include "cmd/serve.h"
#include "cmd/vm_logs.h"
#include "kbuild/configure.h"
#include "kernel/kernel.h"
#include "supervisor/relay.h"
#include "target/linux.h"
#include "vm/firmware.h"
#include "vm/kvm_probe.h"
#include "vm/tsc.h"

enum { END_TIMEOUT_MS = 10000, MEMORY_MIN_MB = 64, CPUS_MAX = 255, HOLD_TRIES = 10 };

/* COMMAND_LINE_SIZE of the kernel, less the NUL and what an accelerator adds. */
enum { CMDLINE_MAX = 2047 - 64 };

/* --- What the VM is made of --- */

static struct err *begin_to_choose_accel(const struct config *cfg, struct kvm_probe **ret)
{
	return streq(config_string(cfg, OPT_VM_ACCEL), "auto") ? kvm_probe_start(KVM_PROBE_DEVICE, ret) : NULL;
}

static struct err *choose_accel(const struct config *cfg, struct kvm_probe *probe, struct supervisor_params *p)
{
	_cleanup_(free) char *why = NULL;

	p->vm.accel = streq(config_string(cfg, OPT_VM_ACCEL), "kvm") ? VM_ACCEL_KVM : VM_ACCEL_TCG;
	if (!probe)
		return NULL;
	TRY(kvm_probe_finish(probe, &why));
	p->accel_auto = true;
	if (why)
		log_info("using TCG: %s", why);
	else
		p->vm.accel = VM_ACCEL_KVM;
	return NULL;
}

struct err *boot_choose_port(const struct config *cfg, bool *ret_has, uint16_t *ret)
{
	const char *text = config_string(cfg, OPT_VM_PORT);
	uint64_t number = 0;

	*ret = 0;
	*ret_has = text && !streq(text, "off");
	if (!*ret_has || streq(text, "auto"))
		return NULL;
	struct err *e = parse_u64(text, UINT16_MAX, &number);

	if (e || !number) {
		err_ignore(e);
		return err_create(ERR_USAGE, "--port: '%s' is neither a port (1 to 65535), auto nor off", text);
	}
	*ret = (uint16_t)number;
	return NULL;
}

/* TERM as the guest may see it: a word of the command line, so nothing that could be more than a name. */
static bool is_terminal_name(const char *term)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+._";

	return term && *term && strlen(term) < 64 && strspn(term, allowed) == strlen(term);
}

static bool sets_panic(const char *words)
{
	const char *p = words ? strstr(words, "panic=") : NULL;

	/* Not another parameter that ends so, such as kernel.softlockup_panic=. */
	while (p && p > words && p[-1] != ' ')
		p = strstr(p + 1, "panic=");
	return p != NULL;
}

static bool list_sets_panic(const struct strv *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sets_panic(list->v[i]))
			return true;
	}
	return false;
}

/* KGDB has a serial line of its own. */
static bool has_kgdb_line(const struct config *cfg)
{
	return config_bool(cfg, OPT_VM_KGDB) && streq(config_string(cfg, OPT_KGDB_LINE), "ttyS1");
}

/* What the kernel's command line has from elsewhere than the configuration. */
struct cmdline_facts {
	const struct attach *attach;
	const struct terminal *terminal; /* NULL: none */
	bool decompresses;               /* the kernel is a bzImage */
	uint64_t lpj;                    /* 0: the kernel is to find out */
};

static struct err *make_cmdline(const struct config *cfg, const struct cmdline_facts *facts, char **ret)
{
	const char *base = config_string(cfg, OPT_VM_CMDLINE), *term = getenv("TERM");
	const struct strv *append = config_list(cfg, OPT_VM_APPEND);
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	_cleanup_(free) char *line = NULL;
	const struct terminal *terminal = facts->terminal;
	uint16_t rows, cols;

	/* Before all that the user says. */
	if (facts->lpj)
		strv_addf(&words, "lpj=%llu", (unsigned long long)facts->lpj);
	if (base)
		strv_add(&words, base);
	if (!config_bool(cfg, OPT_VM_KASLR))
		strv_add(&words, "nokaslr");
	/* Through PVH page tables have four levels, and so they shall have here; 6.1's KASAN stumbles over five. */
	if (facts->decompresses && !config_bool(cfg, OPT_VM_KASLR))
		strv_add(&words, "no5lvl");
	/*
	 * With kgdboc= a panic stops in kdb, before the pvpanic device hears of it; with panic=-1 it doesn't. Whoever wants
	 * the former says panic=0.
	 */
	if (!sets_panic(base) && !list_sets_panic(append))
		strv_add(&words, "panic=-1");
	/* The last one counts. */
	if (has_kgdb_line(cfg))
		strv_add(&words, "kgdboc=ttyS1,115200");
	/* It must follow kgdboc=. */
	if (config_bool(cfg, OPT_VM_KGDB_WAIT))
		strv_add(&words, "kgdbwait");
	/*
	 * What KGDB has planted in the kernel's code before that is write-protected it can't remove any more afterwards
	 * (arch/x86/kernel/kgdb.c: it goes by how it was planted).
	 */
	if (config_bool(cfg, OPT_VM_KGDB) && config_bool(cfg, OPT_VM_KGDB_WAIT))
		strv_add(&words, "rodata=off");
	if (terminal && terminal_size(terminal, &rows, &cols))
		strv_addf(&words, "ktb.rows=%u ktb.cols=%u", rows, cols);
	if (terminal && terminal_is_interactive(terminal) && is_terminal_name(term))
		strv_addf(&words, "ktb.term=%s", term);
	attach_words(cfg, facts->attach, &words);
	for (size_t i = 0; i < append->n; i++)
		strv_add(&words, append->v[i]);
	line = strv_join(&words, " ");
	if (strlen(line) > CMDLINE_MAX)
		return err_create(
			ERR_USAGE,
			"the kernel's parameters would be %zu bytes long, and what is behind the first %d would "
			"be lost; give it fewer (--append, --share)",
			strlen(line), CMDLINE_MAX);
	*ret = steal(&line);
	return NULL;
}

static enum on_panic parse_on_panic(const char *word)
{
	if (streq(word, "reboot"))
		return ON_PANIC_REBOOT;
	return streq(word, "exit") ? ON_PANIC_EXIT : ON_PANIC_PAUSE;
}

static struct err *check_kgdb(const struct config *cfg)
{
	if (!config_bool(cfg, OPT_VM_KGDB))
		return NULL;
	if (config_bool(cfg, OPT_VM_RAW_STUB))
		return err_create(ERR_USAGE,
				  "--kgdb and --raw-stub exclude each other: the debug port leads to one stub");
	if (config_bool(cfg, OPT_VM_WAIT))
		return err_create(ERR_USAGE,
				  "--wait and --kgdb exclude each other: before it runs, a kernel has no debugger "
				  "of its own; --kgdb-wait stops it as early as there is one");
	return NULL;
}

/* What the server would find wrong only when a debugger comes. */
struct err *boot_check_server(const struct config *cfg)
{
	const char *tasks = config_string(cfg, OPT_GDB_TASKS), *stop_on = config_string(cfg, OPT_GDB_STOP_ON);

	if (tasks)
		TRY(err_wrap(linux_tasks_check(tasks), "--tasks"));
	return stop_on ? err_wrap(linux_stop_on_check(stop_on), "--stop-on") : NULL;
}

static struct err *check_size(const struct config *cfg)
{
	uint64_t memory = config_number(cfg, OPT_VM_MEMORY), cpus = config_number(cfg, OPT_VM_CPUS);

	if (memory < MEMORY_MIN_MB * MIB)
		return err_create(ERR_USAGE, "--memory: %llu MB is too little for a kernel (at least %d)",
				  (unsigned long long)(memory / MIB), MEMORY_MIN_MB);
	if (cpus < 1 || cpus > CPUS_MAX)
		return err_create(ERR_USAGE, "--cpus: from 1 to %d", CPUS_MAX);
	return NULL;
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static struct vm_record *make_record(const struct config *cfg, const struct boot *b)
{
	struct vm_record *r = xcalloc(1, sizeof(*r));

	r->name = xstrdup(config_string(cfg, OPT_VM_NAME));
	r->memory = b->params.vm.memory;
	r->cpus = b->params.vm.cpus;
	r->kaslr = config_bool(cfg, OPT_VM_KASLR);
	r->kgdb = b->params.kgdb;
	r->kernel = xstrdup(b->kernel);
	r->forward = attach_format_forwards(&b->attach);
	return r;
}

static void record_built(struct vm_record *r, const struct manifest *m)
{
	r->vmlinux = xstrdup(m->vmlinux);
	r->build_id = xstrdup(m->build_id);
	r->release = xstrdup(m->release);
	r->srctree = xstrdup(m->source_tree);
	r->build_dir = xstrdup(m->out);
	r->gdb_scripts = xstrdup(m->gdb_script);
}

static void record_foreign(struct vm_record *r, const struct foreign *f)
{
	r->vmlinux = copy(f->vmlinux);
	r->build_id = copy(f->build_id);
	r->release = copy(f->release);
	r->modules = copy(f->modules);
}

/*
 * What has the compiler put calls into all code. Before Linux 6.9 that includes the code behind the PVH entry, which runs
 * before there is shadow memory (KASAN: a triple fault) or per-CPU data (KCSAN: some bytes elsewhere are overwritten).
 */
static bool is_instrumented(const char *config)
{
	static const char *const instrumenting[] = { "KASAN", "KCSAN", "KCOV" };

	for (size_t i = 0; i < ARRAY_SIZE(instrumenting); i++) {
		if (configuration_has(config, instrumenting[i]))
			return true;
	}
	return false;
}

/*
 * vmlinux through PVH is the fast way in, bzImage through its decompressor the one that always works, and where KASLR is
 * chosen.
 */
static struct err *choose_kernel(const struct config *cfg, const struct manifest *m, char **ret, unsigned int *ret_hz)
{
	_cleanup_(buf_deinit) struct buf config = BUF_INIT;
	const char *text;

	TRY(configuration_read(m->out, &config));
	text = buf_str(&config);
	*ret_hz = configuration_hz(text);
	*ret = xstrdup(config_bool(cfg, OPT_VM_KASLR) || !configuration_has(text, "PVH") || is_instrumented(text)
			       ? m->bzimage
			       : m->vmlinux);
	return NULL;
}

struct boot_hold {
	struct kbuild_result *kernel;
	int image_fd; /* -1: none */
};

static void hold_destroy(struct boot_hold *h)
{
	if (!h)
		return;
	kbuild_result_destroy(h->kernel);
	closep(&h->image_fd);
	free(h);
}

/* A kernel from here or from elsewhere. */
struct kernel {
	struct kbuild_result *built; /* NULL: from elsewhere */
	struct foreign foreign;
	bool decompresses; /* a bzImage */
	unsigned int hz;   /* 0: not known */
};

static void kernel_deinit(struct kernel *k)
{
	kbuild_result_destroy(k->built);
	foreign_deinit(&k->foreign);
}
DEFINE_CLEANUP_STORAGE(struct kernel, kernel_deinit);

static struct err *prepare_kernel(const struct config *cfg, struct kernel *k, struct boot *b)
{
	if (foreign_is_asked_for(cfg)) {
		TRY(foreign_prepare(cfg, &k->foreign));
		b->kernel = xstrdup(k->foreign.kernel);
		k->decompresses = k->foreign.decompresses;
		return foreign_share(&k->foreign, &b->attach);
	}
	TRY(build_kernel(cfg, &k->built));
	TRY(choose_kernel(cfg, &k->built->kernel, &b->kernel, &k->hz));
	k->decompresses = streq(b->kernel, k->built->kernel.bzimage);
	return NULL;
}

static struct err *prepare_image(const struct config *cfg, const struct kernel *k, char **ret)
{
	return k->built ? build_image(cfg, &k->built->kernel, ret) : foreign_image(cfg, &k->foreign, ret);
}

/* Who cleans the cache may take the image away before we hold it. */
static struct err *hold_image(const struct config *cfg, const struct kernel *k, struct boot *b)
{
	struct err *e = NULL;

	for (int i = 0; i < HOLD_TRIES; i++) {
		err_destroy(e);
		free(steal(&b->initrd));
		TRY(prepare_image(cfg, k, &b->initrd));
		e = hold_file(b->initrd, &b->hold->image_fd);
		if (!e || err_errno(e) != ENOENT)
			return e;
	}
	return e;
}

/*
 * What debug servers and `ktb ps` have to know of the kernel is found out now, the first time: when a debugger waits for an
 * answer is not the time for it.
 */
void boot_learn_layout(const struct vm_record *r)
{
	struct layout_answer facts[KERNEL_FACTS_N];
	struct err *e = NULL;

	if (!r->build_id || !r->vmlinux)
		return;
	e = layout_load(r->build_id, NULL, kernel_questions, KERNEL_FACTS_N, facts);
	if (!e)
		return;
	err_destroy(e);
	log_info("looking up how the kernel is laid out");
	e = layout_load(r->build_id, r->vmlinux, kernel_questions, KERNEL_FACTS_N, facts);
	if (e)
		log_debug("%s", err_message(e));
	err_ignore(e);
}

/*
 * loops_per_jiffy: by it a kernel knows how long to wait for a microsecond, counted in ticks of the TSC. The first CPU has that
 * from the TSC's frequency. For each other one it is measured, 0.15 s long, unless it was said before: under TCG nothing tells
 * the kernel that all are as fast.
 */
static uint64_t choose_lpj(const struct config *cfg, const struct kernel *k, enum vm_accel accel,
			   const struct tsc_moment *begin)
{
	/* With -icount the guest's TSC counts instructions. */
	if (accel != VM_ACCEL_TCG || !k->hz || strv_contains(config_list(cfg, OPT_VM_QEMU_ARGS), "-icount"))
		return 0;
	return tsc_frequency(begin) / k->hz;
}

struct err *boot_prepare(const struct config *cfg, const struct terminal *size_of, struct boot *ret)
{
	_cleanup_(boot_deinit) struct boot b = { 0 };
	_cleanup_(kernel_deinit) struct kernel kernel = { .foreign = FOREIGN_INIT };
	_cleanup_(kvm_probe_destroy) struct kvm_probe *probe = NULL;
	const char *name = config_string(cfg, OPT_VM_NAME);
	struct cmdline_facts facts = { .attach = &b.attach, .terminal = size_of };
	struct supervisor_params *p = &b.params;
	struct tsc_moment begin;

	tsc_moment_take(&begin);
	if (!name)
		return err_create(ERR_USAGE, "a VM needs a name");
	TRY(check_size(cfg));
	TRY(check_kgdb(cfg));
	TRY(boot_check_server(cfg));
	TRY(foreign_check_options(cfg));
	TRY(boot_choose_port(cfg, &p->has_port, &p->port));
	TRY(begin_to_choose_accel(cfg, &probe));
	TRY(attach_prepare(cfg, &b.attach));
	TRY(prepare_kernel(cfg, &kernel, &b));
	TRY(choose_accel(cfg, probe, p));
	b.hold = xcalloc(1, sizeof(*b.hold));
	b.hold->image_fd = -1;
	TRY(hold_image(cfg, &kernel, &b));
	facts.decompresses = kernel.decompresses;
	facts.lpj = choose_lpj(cfg, &kernel, p->vm.accel, &begin);
	TRY(make_cmdline(cfg, &facts, &b.cmdline));
	for (size_t i = 0; i < config_list(cfg, OPT_VM_QEMU_ARGS)->n; i++)
		strv_add(&b.qemu_args, config_list(cfg, OPT_VM_QEMU_ARGS)->v[i]);
	p->vm.qemu = config_string(cfg, OPT_VM_QEMU);
	/* A decompressor may ask SeaBIOS for more. */
	p->vm.qboot = !kernel.decompresses && firmware_has_qboot(p->vm.qemu);
	p->vm.kernel = b.kernel;
	p->vm.initrd = b.initrd;
	p->vm.cmdline = b.cmdline;
	p->vm.memory = config_number(cfg, OPT_VM_MEMORY) / MIB * MIB;
	p->vm.cpus = (unsigned int)config_number(cfg, OPT_VM_CPUS);
	p->vm.wait = config_bool(cfg, OPT_VM_WAIT);
	p->vm.kgdb_line = has_kgdb_line(cfg);
	p->kgdb = config_bool(cfg, OPT_VM_KGDB);
	p->on_panic = parse_on_panic(config_string(cfg, OPT_VM_ON_PANIC));
	b.record = make_record(cfg, &b);
	b.serve = serve_create(cfg, b.record);
	p->serve_mends = !config_bool(cfg, OPT_VM_RAW_STUB);
	p->serve = p->serve_mends ? serve_run : relay_run;
	p->serve_user = b.serve;
	if (kernel.built)
		record_built(b.record, &kernel.built->kernel);
	else
		record_foreign(b.record, &kernel.foreign);
	boot_learn_layout(b.record);
	p->vm.name = b.record->name;
	b.hold->kernel = steal(&kernel.built);
	p->own_init = attach_has_own_init(cfg);
	b.name_option = streq(name, options[OPT_VM_NAME].def) ? xstrdup("") : xasprintf(" --name %s", name);
	p->name_option = b.name_option;
	*ret = b;
	ret->params.vm.extra_args = &ret->qemu_args;
	ret->params.vm.attach = &ret->attach;
	ret->params.record = ret->record;
	b = (struct boot){ 0 };
	return NULL;
}

void boot_deinit(struct boot *b)
{
	serve_destroy(b->serve);
	vm_record_destroy(b->record);
	free(b->kernel);
	free(b->initrd);
	free(b->cmdline);
	free(b->name_option);
	strv_deinit(&b->qemu_args);
	hold_destroy(b->hold);
	attach_deinit(&b->attach);
	*b = (struct boot){ 0 };
}

/* --- Running it --- */

/*
 * A terminal that is closed hangs up more than once, and once the supervisor's loop is gone nobody takes signals: the next
 * one would end us before the run directory is removed. One that is blocked is not ignored, so the loop has them all.
 */
void boot_ignore_signals_at_the_end(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &ignore, NULL);
}

static struct err *run_supervisor(struct boot *b, struct rundir *dir, int *ret_status)
{
	struct err *e;

	boot_ignore_signals_at_the_end();
	b->params.rundir = dir;
	free(b->record->dir);
	b->record->dir = xstrdup(rundir_path(dir));
	e = supervisor_run(&b->params, ret_status);
	if (e && b->attach.disks_n && strstr(err_message(e), "Is another process using the image"))
		e = err_append(e,
			       "\nIt is in use by another VM or program: end that one, or give this VM an image of its "
			       "own");
	if (!e && *ret_status != 0)
		log_info("the VM ended with status %d", *ret_status);
	vm_logs_keep(dir, b->record->name, !e && *ret_status != 0);
	return e;
}

void boot_tell_how_to_debug(const struct boot *b, const struct vm_record *r)
{
	if (r->port && !r->vmlinux)
		log_info("a debugger can connect to localhost:%u; for its symbols start the VM with --vmlinux FILE",
			 r->port);
	else if (r->port)
		log_info("debug it with: ktb gdb%s   (by hand: gdb %s -ex 'target remote localhost:%u')",
			 b->name_option, r->vmlinux, r->port);
	if (b->params.vm.wait)
		log_info("the CPUs are held at reset until a debugger continues them");
}

static void announce(const struct vm_record *r, void *user)
{
	const struct boot *b = user;

	log_info("booting Linux %s as VM '%s' (%s, %u CPUs, %llu MB)", r->release ? r->release : "?", r->name, r->accel,
		 r->cpus, (unsigned long long)(r->memory / MIB));
	attach_tell_ports(&b->attach);
	boot_tell_how_to_debug(b, r);
	log_info("Ctrl-a x ends the VM, Ctrl-a h helps");
}

struct err *boot_foreground(struct boot *b, struct terminal *terminal, int *ret_status)
{
	_cleanup_(rundir_destroy) struct rundir *dir = NULL;

	TRY(rundir_create(b->record->name, &dir));
	b->params.terminal = terminal;
	b->params.started = announce;
	b->params.user = b;
	return run_supervisor(b, dir, ret_status);
}

/* The process that waits for this one to report. */
struct starter {
	pid_t pid;
	int report_fd;
	bool follow; /* beyond the report, too */
};

/*
 * When it dies before it has heard (Ctrl-C) nobody wants the VM; it is ended in an orderly way by a signal, which is blocked until
 * the supervisor is there to take it.
 */
static void follow_starter(const struct starter *starter)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != starter->pid)
		raise(SIGTERM);
}

static void report_started(const struct vm_record *r, void *user)
{
	struct starter *starter = user;

	(void)r;
	/* Who dies between the two is not there to read. */
	if (!starter->follow)
		prctl(PR_SET_PDEATHSIG, 0);
	if (write(starter->report_fd, "ok", 2) != 2)
		raise(SIGTERM);
	close(steal_fd(&starter->report_fd));
}

/* Whoever gave us a descriptor (a lock, a pipe, make's job server) shall not wait for the VM's end to have it back. */
static void drop_inherited(const struct boot *b, const struct rundir *dir, const struct starter *starter)
{
	const struct kbuild_hold *hold = b->hold->kernel ? &b->hold->kernel->hold : NULL;
	int rundir_fds[RUNDIR_FDS];

	rundir_all_fds(dir, rundir_fds);
	const int keep[] = { STDIN_FILENO,
			     STDOUT_FILENO,
			     STDERR_FILENO,
			     rundir_fds[0],
			     rundir_fds[1],
			     starter->report_fd,
			     b->hold->image_fd,
			     hold ? hold->build_fd : -1,
			     hold ? hold->source_fd : -1 };

	process_keep_only(keep, ARRAY_SIZE(keep));
}

/* What goes back through the pipe: "ok", or the code of the error as a letter and its message. */
static __attribute__((noreturn)) void run_background(struct boot *b, struct rundir *dir, struct starter *starter)
{
	int status = SUPERVISOR_QEMU_DIED;
	struct err *e;

	setsid();
	drop_inherited(b, dir, starter);
	follow_starter(starter);
	e = vm_logs_leave_terminal(dir);
	b->params.started = report_started;
	b->params.user = starter;
	if (!e)
		e = run_supervisor(b, dir, &status);
	if (e && starter->report_fd >= 0) {
		_cleanup_(free) char *text = xasprintf("%c%s", 'A' + (int)err_code(e), err_message(e));

		err_ignore(write_all(starter->report_fd, text, strlen(text)));
	} else if (e) {
		log_error("%s", err_message(e));
	}
	rundir_destroy(dir);
	_exit(e ? SUPERVISOR_QEMU_DIED : status);
}

static struct err *wait_until_started(int report_fd)
{
	_cleanup_(buf_deinit) struct buf report = BUF_INIT;

	TRY(read_fd(report_fd, "the supervisor's report", 1 << 16, &report));
	if (streq(buf_str(&report), "ok"))
		return NULL;
	if (report.len < 2)
		return err_create(ERR_CLOSED, "the VM's supervisor died before the VM ran");
	return err_create((enum err_code)(report.data[0] - 'A'), "%s", report.data + 1);
}

struct err *boot_detached(struct boot *b, bool die_with_parent, struct vm_record **ret_record,
			  struct process *ret_process)
{
	struct rundir *dir;
	_cleanup_(close) int report_fd = -1, write_fd = -1;
	struct process p;
	int status;
	struct starter starter = { .pid = getpid(), .follow = die_with_parent };
	struct err *e;
	bool child;

	TRY(process_pipe(&report_fd, &write_fd));
	TRY(rundir_create(b->record->name, &dir));
	e = process_fork(false, &p, &child);
	if (e) {
		rundir_destroy(dir);
		return e;
	}
	if (child) {
		close(steal_fd(&report_fd));
		starter.report_fd = steal_fd(&write_fd);
		run_background(b, dir, &starter);
	}
	/* The folder and its lock are the child's now. */
	rundir_forget(dir);
	close(steal_fd(&write_fd));
	e = wait_until_started(report_fd);
	if (!e)
		e = rundir_find(b->record->name, ret_record);
	if (e) {
		process_kill(&p, SIGTERM);
		err_ignore(process_wait_timeout(&p, END_TIMEOUT_MS, &status));
		process_deinit(&p);
		return e;
	}
	*ret_process = p;
	return NULL;
}
