/*
 * Theory of operation. The guest is held, by a connection to its supervisor that ends with us however we end, so a dump is of
 * one instant and the guest goes on whatever happens here. The file appears in its place when all is in it.
 * SIGINT and the like are blocked meanwhile and looked at now and then: what is to be cleaned up is cleaned up as after any
 * error, and then the signal has its usual effect.
 *
 * An ELF core is written by ourselves (dump_elf.c). A compressed one is QEMU's work; it comes through a pipe in the flattened
 * form, and is put together here.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/rows.h"
#include "cmd/dump_private.h"
#include "kernel/vmcoreinfo.h"
#include "mem/flattened.h"
#include "supervisor/control.h"

#define ASK_INTERVAL_NS (300 * NSEC_PER_MSEC)

/*
 * Of a kdump file: where struct new_utsname is in its header, and its size; where its second header, in the second block,
 * says at which offset the notes are, and their size (struct kdump_sub_header of makedumpfile).
 */
enum { HEADER_UTSNAME = 12, UTSNAME_SIZE = 6 * 65, SUB_HEADER_NOTES = 4096 + 48, NOTES_MAX = 1 << 24 };

static const struct rows_column columns[] = {
	{ "FILE", "file", ROWS_TEXT },        { "FORMAT", "format", ROWS_TEXT },
	{ "MEMORY", "memory", ROWS_NUMBER },  { "ON DISK", "on_disk", ROWS_NUMBER },
	{ "VCPUS", "vcpus", ROWS_NUMBER },    { NULL, "size", ROWS_NUMBER },
	{ NULL, "vmcoreinfo", ROWS_TEXT },    { NULL, "build_id", ROWS_TEXT },
	{ NULL, "kernel_offset", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT },
};

#define DUMP_INIT                                                                                                      \
	{                                                                                                              \
		.in = INSPECT_INIT, .file = DRAFT_INIT                                                                 \
	}

static void dump_deinit(struct dump *d)
{
	progress_clear(&d->progress);
	inspect_deinit(&d->in);
	draft_deinit(&d->file);
}
DEFINE_CLEANUP_STORAGE(struct dump, dump_deinit);

/* --- Signals --- */

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* Those that would end us: what nohup or a shell has set to be ignored is to stay so. */
static sigset_t block_signals(void)
{
	sigset_t ending, before;

	sigemptyset(&ending);
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		struct sigaction action;

		if (sigaction(ending_signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&ending, ending_signals[i]);
	}
	sigprocmask(SIG_BLOCK, &ending, &before);
	return before;
}

static void unblock(const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
}
DEFINE_CLEANUP_STORAGE(const sigset_t, unblock);

struct err *dump_check_signals(const struct dump *d)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		if (sigismember(&pending, ending_signals[i]))
			return err_create(ERR_CLOSED, "interrupted; %s was not written", d->path);
	}
	return NULL;
}

/* --- The guest --- */

static struct err *check_target(const struct dump *d)
{
	struct stat st;

	if (lstat(d->path, &st) < 0)
		return errno == ENOENT ? NULL : err_os(errno, "look at %s", d->path);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_create(ERR_USAGE, "%s is there already, and is no file that could be replaced", d->path);
	if (!d->replace)
		return err_create(ERR_USAGE, "%s is there already; replace it with --force", d->path);
	return NULL;
}

/* What takes long, such as reading vmlinux for the first time, comes before the guest has to stand still. */
static struct err *open_source(struct config *cfg, struct dump *d)
{
	_cleanup_(err_destroy) struct err *e = NULL;

	TRY(inspect_open_guest(cfg, &d->in));
	e = inspect_identify(cfg, &d->in);
	if (e && config_string(cfg, OPT_GDB_VMLINUX))
		return steal(&e);
	if (d->in.vm)
		TRY(err_wrap(control_hold(d->in.sock), "stop the VM for its dump"));
	/* It may have been booting when we looked. */
	if (d->in.vm && (!e || d->in.facts[FACT_BUILD_ID].found)) {
		err_destroy(e);
		e = inspect_find_kernel(&d->in);
	}
	if (e)
		log_warn("%s; the dump has physical addresses only", err_message(e));
	return NULL;
}

/* --- Compressed --- */

static struct err *on_wait(void *user)
{
	struct dump *d = user;
	uint64_t now = now_ns(), done, total;
	bool active;

	TRY(dump_check_signals(d));
	if (now - d->asked_ns < ASK_INTERVAL_NS)
		return NULL;
	d->asked_ns = now;
	TRY(control_dump_state(d->in.sock, &active, &done, &total));
	progress_update(&d->progress, "dump: %" PRIu64 " of %" PRIu64 " MB", done / MIB, total / MIB);
	return NULL;
}

/* Why QEMU's side ended early, if it says so; else what we saw of it. */
static struct err *explain(struct dump *d, struct err *e)
{
	uint64_t done, total;
	struct err *said;
	bool active;

	if (err_code(e) != ERR_BAD_DATA)
		return e;
	said = control_dump_state(d->in.sock, &active, &done, &total);
	if (!said)
		return err_wrap(e, "QEMU's dump");
	err_destroy(e);
	return said;
}

/*
 * QEMU doesn't know the system's names and leaves their place in the header empty (struct disk_dump_header of
 * makedumpfile). libkdumpfile (0.5.1) then takes the machine's name for unknown, too, and drgn doesn't open the file. So
 * they are put there: struct new_utsname, as the kernel has it.
 */
static struct err *put_names(struct dump *d)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	uint64_t address, offset;
	char names[UTSNAME_SIZE];

	if (!d->in.kernel || !kernel_vmcoreinfo(d->in.kernel, &text) ||
	    !vmcoreinfo_number(buf_str(&text), text.len, "SYMBOL(init_uts_ns)", 16, &address) ||
	    !vmcoreinfo_number(buf_str(&text), text.len, "OFFSET(uts_namespace.name)", 10, &offset) ||
	    !mem_try_read(d->in.mem, address + offset, names, sizeof(names)))
		return NULL;
	if (pwrite(d->file.fd, names, sizeof(names), HEADER_UTSNAME) != (ssize_t)sizeof(names))
		return err_os(errno, "write its header");
	return NULL;
}

/* QEMU counts CPUs from 1, which drgn takes for the PIDs of init and kthreadd. */
static struct err *put_pids(struct dump *d)
{
	_cleanup_(free) uint8_t *notes = NULL;
	struct {
		uint64_t offset, size;
	} where;
	size_t pid_at;
	uint32_t cpu = 0;

	if (pread(d->file.fd, &where, sizeof(where), SUB_HEADER_NOTES) != (ssize_t)sizeof(where) ||
	    where.size > NOTES_MAX)
		return NULL;
	notes = xmalloc((size_t)where.size);
	if (pread(d->file.fd, notes, (size_t)where.size, (off_t)where.offset) != (ssize_t)where.size)
		return NULL;
	for (size_t at = 0, n; (n = dump_parse_note(notes + at, (size_t)where.size - at, &pid_at)); at += n) {
		uint32_t pid = dump_note_pid(d, cpu);

		if (!pid_at)
			continue;
		if (pwrite(d->file.fd, &pid, sizeof(pid), (off_t)(where.offset + at + pid_at)) != (ssize_t)sizeof(pid))
			return err_os(errno, "write its notes");
		cpu++;
	}
	return NULL;
}

/* What QEMU wrote is looked at as its readers will. */
static void look_at_result(struct dump *d)
{
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(free) char *path = draft_where(&d->file);
	struct err *e = mem_open_core(path, &m);

	d->vmcoreinfo = m && mem_core_vmcoreinfo(m);
	if (e)
		log_debug("%s", err_message(e));
	else if (!d->vmcoreinfo)
		log_warn(
			"the guest has not told QEMU where its kernel describes itself (VMCOREINFO), so crash and drgn "
			"can't read this dump; one without --compress has it, if the kernel has come so far");
	err_ignore(e);
}

static struct err *write_compressed(struct dump *d)
{
	_cleanup_(close) int from = -1;
	struct err *e;

	TRY(control_dump(d->in.sock, &from));
	e = flattened_unfold(from, d->file.fd, on_wait, d);
	if (e)
		return explain(d, e);
	d->vcpus = d->in.vm->cpus;
	d->memory = d->in.vm->memory;
	TRY(put_names(d));
	TRY(put_pids(d));
	look_at_result(d);
	return NULL;
}

/* --- The command --- */

static void say_how_to_open(const struct dump *d, bool compressed)
{
	uint64_t slide = d->in.kernel ? kernel_slide(d->in.kernel) : 0;
	_cleanup_(free) char *file = shell_quote(d->path),
			     *vmlinux = shell_quote(d->in.vmlinux ? d->in.vmlinux : "VMLINUX");

	if (!d->in.kernel || !d->in.vmlinux)
		return;
	/* crash finds out about KASLR by itself. */
	if (compressed)
		log_info("look into it by: crash %s %s   or: ktb ps --core %s", vmlinux, file, file);
	else if (slide)
		log_info("look into it by: gdb -ex 'core-file %s' -ex 'symbol-file -o 0x%" PRIx64
			 " %s'   or: ktb ps --core %s",
			 file, slide, vmlinux, file);
	else
		log_info("look into it by: gdb %s %s   or: ktb ps --core %s", vmlinux, file, file);
}

static void add_size(struct rows *rows, uint64_t bytes)
{
	_cleanup_(free) char *shown = xasprintf("%" PRIu64 " MB", (bytes + MIB / 2) / MIB);

	rows_u64_as(rows, bytes, shown);
}

static struct err *show(struct config *cfg, const struct dump *d, const struct stat *st, bool compressed)
{
	_cleanup_(rows_destroy) struct rows *rows = rows_create(columns, config_bool(cfg, OPT_OUTPUT_JSON));
	char slide[32];

	rows_begin(rows);
	rows_str(rows, d->path);
	rows_str(rows, compressed ? "kdump-zlib" : "elf");
	add_size(rows, d->memory);
	add_size(rows, (uint64_t)st->st_blocks * 512);
	rows_u64(rows, d->vcpus);
	rows_u64(rows, (uint64_t)st->st_size);
	rows_bool(rows, d->vmcoreinfo);
	rows_str(rows, d->in.build_id);
	if (d->in.kernel) {
		snprintf(slide, sizeof(slide), "0x%" PRIx64, kernel_slide(d->in.kernel));
		rows_str(rows, slide);
	} else {
		rows_unknown(rows);
	}
	return rows_emit(rows, stdout);
}

/* The guest goes on as soon as its memory has been copied. */
static struct err *write_dump(struct config *cfg, struct dump *d, bool compressed)
{
	TRY(draft_open(d->path, &d->file));
	TRY(open_source(cfg, d));
	TRY(err_wrap(compressed ? write_compressed(d) : dump_write_elf(d), "write %s", d->path));
	closep(&d->in.sock);
	d->in.sock = -1;
	progress_clear(&d->progress);
	TRY(dump_check_signals(d));
	return draft_publish(&d->file, d->replace);
}

static struct err *cmd_dump(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	bool compressed = config_bool(cfg, OPT_DUMP_COMPRESS);
	_cleanup_(unblock) const sigset_t before = block_signals();
	_cleanup_(dump_deinit) struct dump d = DUMP_INIT;
	struct stat st;

	(void)rest;
	(void)ret_status;
	if (positional->n != 1)
		return err_create(ERR_USAGE, "ktb dump needs one file to write to");
	d.path = positional->v[0];
	d.replace = config_bool(cfg, OPT_DUMP_FORCE);
	progress_init(&d.progress);
	if (compressed && config_string(cfg, OPT_INSPECT_CORE))
		return err_create(ERR_USAGE,
				  "--compress is done by a VM's QEMU: of a core file ktb makes an uncompressed one; "
				  "makedumpfile -c compresses that");
	TRY(check_target(&d));
	TRY(write_dump(cfg, &d, compressed));
	if (fstat(d.file.fd, &st) < 0)
		return err_os(errno, "look at %s", d.path);
	TRY(show(cfg, &d, &st, compressed));
	say_how_to_open(&d, compressed);
	return NULL;
}

const struct command command_dump = {
	.id = COMMAND_DUMP,
	.name = "dump",
	.args = "FILE",
	.summary = "write the memory of a guest into a core file, for GDB, crash and drgn",
	.description =
		"The guest stands still meanwhile, and then goes on; one that is paused, has hung or panicked is left\n"
		"so. Memory that was never used takes no room on the disk. Only you may read the file: it has in it\n"
		"whatever was in the guest's memory. ktb ps, ktb bt and ktb dmesg read it with --core.\n"
		"\n"
		"With --core it is made of another core file: of a compressed one, or of one from QEMU or kdump that\n"
		"has physical addresses only, one that GDB can open.",
	.examples = "  ktb dump vm.core\n"
		    "  ktb dump --compress vm.kdump   # smaller; for crash and drgn\n"
		    "  ktb dump --core vm.kdump again.core   # and from that one for GDB",
	.run = cmd_dump,
};
