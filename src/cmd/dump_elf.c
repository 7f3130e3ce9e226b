/*
 * An ELF core of a kernel, written by ourselves (mem/vmcore.h): from the RAM that we may read, the kernel's page tables, and the
 * registers that QEMU says; or from all of that in a core that is there already, whatever its format.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "cmd/dump_private.h"
#include "kernel/cpu.h"
#include "kernel/task.h"
#include "mem/vmcore.h"
#include "supervisor/control.h"
#include "vm/ram.h"
#include "vm/registers.h"

/* PID_MAX_LIMIT of the kernel. */
#define PID_NONE (UINT32_C(1) << 22)

/* Privilege level in a code segment's selector. */
enum { CS_LEVEL = 3 };

/* --- Notes --- */

static struct err *read_registers(const struct dump *d, unsigned int cpu, struct vm_registers *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(control_registers(d->in.sock, cpu, &text));
	return vm_registers_parse(buf_str(&text), text.len, ret);
}

/*
 * Debuggers take it for the PID of the task that the registers belong to, and want each to be there once. So a CPU that runs its
 * idle task (PID 0), or one that isn't known, has a number that no task can have.
 */
uint32_t dump_note_pid(const struct dump *d, uint32_t cpu)
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
		vm_registers_prstatus(&r, dump_note_pid(d, cpu), note);
		vmcore_put_note("CORE", NT_PRSTATUS, note, sizeof(note), notes);
		d->vcpus++;
	}
}

size_t dump_parse_note(const uint8_t *note, size_t n, size_t *ret_pid)
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

/* Which of the kernel's CPUs a core's n-th note is of: the one whose stack it is on, first that of the same number. */
static uint32_t cpu_of_note(const struct dump *d, uint32_t n)
{
	uint32_t count = cpu_count(d->in.kernel);
	struct cpu_registers r;
	uint64_t sp;

	if (!mem_core_registers(d->in.mem, n, &r) || r.cs & CS_LEVEL || !register_get(&r.r, REGISTER_RSP, &sp))
		return n;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t cpu = (n + i) % count;

		if (cpu_has_stack(d->in.kernel, cpu, sp))
			return cpu;
	}
	return n;
}

/* Those of the core as they are, but for the PID, which QEMU numbers from 1: it doesn't know the tasks. */
static void copy_registers(struct dump *d, struct buf *notes)
{
	_cleanup_(buf_deinit) struct buf all = BUF_INIT;
	size_t pid_at;

	mem_core_notes(d->in.mem, &all);
	for (size_t at = 0, n; (n = dump_parse_note((const uint8_t *)buf_str(&all) + at, all.len - at, &pid_at));
	     at += n) {
		uint32_t pid;

		if (!pid_at)
			continue;
		buf_append(notes, all.data + at, n);
		if (d->in.kernel) {
			pid = dump_note_pid(d, cpu_of_note(d, d->vcpus));
			memcpy(notes->data + notes->len - n + pid_at, &pid, sizeof(pid));
		}
		d->vcpus++;
	}
	if (!d->vcpus)
		log_warn("the core has no registers of CPUs, so the dump has none");
}

static void put_vmcoreinfo(struct dump *d, struct buf *notes)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	const char *of_core = mem_core_vmcoreinfo(d->in.mem);

	d->vmcoreinfo = d->in.kernel && kernel_vmcoreinfo(d->in.kernel, &text);
	if (!d->vmcoreinfo && of_core) {
		d->vmcoreinfo = true;
		buf_puts(&text, of_core);
	}
	if (d->vmcoreinfo)
		vmcore_put_note("VMCOREINFO", 0, buf_str(&text), text.len, notes);
	else if (d->in.kernel)
		log_warn("the kernel has not described itself yet (VMCOREINFO), so crash and drgn can't read the dump");
}

/* --- Memory --- */

struct ram {
	struct mem_range *ranges;
	size_t n;
};

static void ram_deinit(struct ram *r)
{
	free(r->ranges);
}
DEFINE_CLEANUP_STORAGE(struct ram, ram_deinit);

static struct err *find_ram(struct dump *d, struct ram *ret)
{
	uint64_t joined;

	if (d->in.vm) {
		ret->ranges = xcalloc(VM_RAM_RANGES_MAX, sizeof(*ret->ranges));
		ret->n = vm_ram_ranges(d->in.vm->memory, ret->ranges);
		d->memory = d->in.vm->memory;
		return NULL;
	}
	TRY(mem_core_ranges(d->in.mem, &ret->ranges, &ret->n, &joined));
	d->memory = ret->ranges[ret->n - 1].offset + ret->ranges[ret->n - 1].size;
	if (joined)
		log_warn("the core has its memory in more pieces than another one can list; %" PRIu64
			 " KB between them, which it doesn't have, are zeros in the dump",
			 joined / 1024);
	return NULL;
}

static void plan(struct dump *d, const struct ram *ram, uint64_t notes_size, struct vmcore_layout *ret)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	struct vmcore_contents c = { .ranges = ram->ranges, .ranges_n = ram->n, .notes_size = notes_size };

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
	return dump_check_signals(d);
}

static struct err *copy_memory(struct dump *d, const struct ram *ram, uint64_t at)
{
	uint64_t bytes;

	if (d->in.vm) {
		TRY(vmcore_copy_memory(d->in.mem, d->file.fd, at, on_copy, d, &bytes));
		log_debug("%" PRIu64 " of %" PRIu64 " bytes of memory are not empty", bytes, d->memory);
		return NULL;
	}
	TRY(vmcore_copy_core(d->in.mem, ram->ranges, ram->n, d->file.fd, at, on_copy, d, &bytes));
	if (bytes)
		log_warn("%" PRIu64 " KB of the core's memory can't be read; they are zeros in the dump", bytes / 1024);
	return NULL;
}

struct err *dump_write_elf(struct dump *d)
{
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout layout = { .segments = NULL };
	_cleanup_(buf_deinit) struct buf notes = BUF_INIT, head = BUF_INIT;
	_cleanup_(ram_deinit) struct ram ram = { .n = 0 };

	TRY(find_ram(d, &ram));
	if (d->in.vm)
		put_registers(d, &notes);
	else
		copy_registers(d, &notes);
	put_vmcoreinfo(d, &notes);
	plan(d, &ram, notes.len, &layout);
	vmcore_put_headers(&layout, notes.len, &head);
	buf_append(&head, buf_str(&notes), notes.len);
	if (ftruncate(d->file.fd, (off_t)layout.end) < 0)
		return err_os(errno, "make a file of %" PRIu64 " MB", layout.end / MIB);
	TRY(write_all(d->file.fd, head.data, head.len));
	return copy_memory(d, &ram, layout.data);
}
