/*
 * Theory of operation. The guest is held, by a connection to its supervisor that ends with us however we end, so a dump is of
 * one instant and the guest goes on whatever happens here. The file appears in its place when all is in it.
 * SIGINT and the like are blocked meanwhile and looked at now and then: what is to be cleaned up is cleaned up as after any
 * error, and then the signal has its usual effect.
 *
 * An ELF core is written by ourselves (mem/vmcore.h), from the RAM that we may read, the kernel's page tables, and the
 * registers that QEMU says. A compressed one is QEMU's work; it comes through a pipe in the flattened form, and is put
 * together here.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/draft.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rows.h"
#include "cmd/inspect.h"
#include "kernel/cpu.h"
#include "kernel/task.h"
#include "kernel/vmcoreinfo.h"
#include "mem/flattened.h"
#include "mem/vmcore.h"
#include "supervisor/control.h"
#include "vm/ram.h"
#include "vm/registers.h"

#define ASK_INTERVAL_NS (300 * NSEC_PER_MSEC)
/* PID_MAX_LIMIT of the kernel. */
#define PID_NONE (UINT32_C(1) << 22)

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

struct dump {
	const char *path;
	bool replace;
	struct inspect in;
	struct draft file;
	struct progress progress;
	uint64_t asked_ns; /* when QEMU was last asked how far it is */
	unsigned int vcpus;
	bool vmcoreinfo;
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

static struct err *check_signals(const struct dump *d)
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
static struct err *hold_guest(struct config *cfg, struct dump *d)
{
	struct err *e;

	TRY(inspect_open_vm(cfg, &d->in));
	e = inspect_identify(cfg, &d->in);
	if (e && config_string(cfg, OPT_GDB_VMLINUX))
		return e;
	TRY(err_wrap(control_hold(d->in.sock), "stop the VM for its dump"));
	/* It may have been booting when we looked. */
	if (!e || d->in.facts[FACT_BUILD_ID].found) {
		err_destroy(e);
		e = inspect_find_kernel(&d->in);
	}
	if (e)
		log_warn("%s; the dump has physical addresses only", err_message(e));
	err_ignore(e);
	return NULL;
}

/* --- ELF --- */

static struct err *read_registers(const struct dump *d, unsigned int cpu, struct vm_registers *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(control_registers(d->in.sock, cpu, &text));
	return vm_registers_parse(buf_str(&text), text.len, ret);
}

/*
 * What a vCPU's note has for a PID. Debuggers take it for that of the task that the registers belong to, and want each to be
 * there once. So a CPU that runs its idle task (PID 0), or one that isn't known, has a number that no task can have.
 */
static uint32_t note_pid(const struct dump *d, uint32_t cpu)
{
	struct task t = { .pid = 0 };
	uint64_t task;

	if (d->in.kernel && cpu_current(d->in.kernel, cpu, &task))
		task_read(d->in.kernel, task, &t);
	return t.known & TASK_KNOWS_IDS && t.pid && t.pid < PID_NONE ? t.pid : PID_NONE + cpu;
}

/* A guest whose QEMU doesn't answer any more has its memory yet. */
static void put_registers(struct dump *d, struct buf *notes)
{
	for (uint32_t cpu = 0; cpu < d->in.vm->cpus; cpu++) {
		uint8_t note[VM_PRSTATUS_SIZE];
		struct vm_registers r;
		struct err *e = read_registers(d, cpu, &r);

		if (e) {
			log_warn("%s; the dump has the registers of %u vCPUs", err_message(e), d->vcpus);
			err_destroy(e);
			return;
		}
		vm_registers_prstatus(&r, note_pid(d, cpu), note);
		vmcore_put_note("CORE", NT_PRSTATUS, note, sizeof(note), notes);
		d->vcpus++;
	}
}

static void put_vmcoreinfo(struct dump *d, struct buf *notes)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	d->vmcoreinfo = d->in.kernel && kernel_vmcoreinfo(d->in.kernel, &text);
	if (d->vmcoreinfo)
		vmcore_put_note("VMCOREINFO", 0, buf_str(&text), text.len, notes);
	else if (d->in.kernel)
		log_warn("the kernel has not described itself yet (VMCOREINFO), so crash and drgn can't read the dump");
}

static void plan(struct dump *d, uint64_t notes_size, struct vmcore_layout *ret)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	struct mem_range ranges[VM_RAM_RANGES_MAX];
	struct vmcore_contents c = { .ranges = ranges, .notes_size = notes_size };

	c.ranges_n = vm_ram_ranges(d->in.vm->memory, ranges);
	if (d->in.kernel) {
		bool has_direct = kernel_direct_map(d->in.kernel, &c.direct_map);

		c.image = kernel_image_base(d->in.kernel);
		mem_mappings_list(d->in.mem, c.direct_map, has_direct ? mem_end(d->in.mem) : 0, VMCORE_SEGMENTS_MAX,
				  &maps);
		c.maps = maps.list;
		c.maps_n = maps.n;
	}
	vmcore_plan(&c, ret);
	if (ret->left_out || (d->in.kernel && !maps.complete))
		log_warn("the kernel has mapped its memory in more pieces than a core file can list; of the vmalloc "
			 "space not everything is in the dump by its virtual address");
}

static struct err *on_copy(uint64_t done, uint64_t total, void *user)
{
	struct dump *d = user;

	progress_update(&d->progress, "dump: %" PRIu64 " of %" PRIu64 " MB", done / MIB, total / MIB);
	return check_signals(d);
}

static struct err *write_elf(struct dump *d)
{
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout layout = { .segments = NULL };
	_cleanup_(buf_deinit) struct buf notes = BUF_INIT, head = BUF_INIT;
	uint64_t written;

	put_registers(d, &notes);
	put_vmcoreinfo(d, &notes);
	plan(d, notes.len, &layout);
	vmcore_put_headers(&layout, notes.len, &head);
	buf_append(&head, buf_str(&notes), notes.len);
	if (ftruncate(d->file.fd, (off_t)layout.end) < 0)
		return err_os(errno, "make a file of %" PRIu64 " MB", layout.end / MIB);
	TRY(write_all(d->file.fd, head.data, head.len));
	TRY(vmcore_copy_memory(d->in.mem, d->file.fd, layout.data, on_copy, d, &written));
	log_debug("%zu segments, %" PRIu64 " of %" PRIu64 " bytes of memory are not empty", layout.n, written,
		  d->in.vm->memory);
	return NULL;
}

/* --- Compressed --- */

static struct err *on_wait(void *user)
{
	struct dump *d = user;
	uint64_t now = now_ns(), done, total;
	bool active;

	TRY(check_signals(d));
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

/* A note of n bytes at most: how long it is, and if it is a vCPU's, where its PID is. 0: there is none. Pure. */
static size_t parse_note(const uint8_t *note, size_t n, size_t *ret_pid)
{
	Elf64_Nhdr head;
	size_t name, data;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, note, sizeof(head));
	name = ((size_t)head.n_namesz + 3) / 4 * 4;
	data = ((size_t)head.n_descsz + 3) / 4 * 4;
	if (name + data > n - sizeof(head))
		return 0;
	*ret_pid = head.n_type == NT_PRSTATUS && head.n_namesz == sizeof("CORE") && data >= VM_PRSTATUS_SIZE &&
				   memcmp(note + sizeof(head), "CORE", sizeof("CORE")) == 0
			   ? sizeof(head) + name + VM_PRSTATUS_PID
			   : 0;
	return sizeof(head) + name + data;
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
	for (size_t at = 0, n; (n = parse_note(notes + at, (size_t)where.size - at, &pid_at)); at += n) {
		uint32_t pid = note_pid(d, cpu);

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
	add_size(rows, d->in.vm->memory);
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
	TRY(hold_guest(cfg, d));
	TRY(err_wrap(compressed ? write_compressed(d) : write_elf(d), "write %s", d->path));
	closep(&d->in.sock);
	d->in.sock = -1;
	progress_clear(&d->progress);
	TRY(check_signals(d));
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
		return err_create(ERR_USAGE, "usage: ktb dump FILE");
	d.path = positional->v[0];
	d.replace = config_bool(cfg, OPT_DUMP_FORCE);
	progress_init(&d.progress);
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
		"whatever was in the guest's memory. ktb ps, ktb bt and ktb dmesg read it with --core.",
	.examples = "  ktb dump vm.core\n"
		    "  ktb dump --compress vm.kdump   # smaller; for crash and drgn",
	.run = cmd_dump,
};
