/*
 * Which of the kernels that are in memory is the one that runs. A reset leaves the last one's image where it was, and with KASLR
 * the next one goes elsewhere; so, in a machine that was reset, only that one is taken which a CPU sees: its page tables
 * lead from the image's virtual address to where the image is. Between a reset and the moment that the next kernel has its page
 * tables there is none.
 *
 * A core file says in its note VMCOREINFO, if it has one, how far its kernel was moved, and its CPUs are at code that the kernel's
 * page tables know.
 */
#include "base/buf.h"
#include "base/log.h"
#include "cmd/inspect.h"
#include "kernel/vmcoreinfo.h"
#include "supervisor/control.h"
#include "vm/registers.h"

#define CR0_PG (UINT64_C(1) << 31)
#define CR4_LA57 (UINT64_C(1) << 12)
/* Of CR3: the page that the top table is in; and the bit by which the user's half of a pair of tables is told (PTI). */
#define CR3_ROOT UINT64_C(0x000ffffffffff000)
#define CR3_PTI_USER (UINT64_C(1) << 12)

/* "kernel text mapping" in Documentation/arch/x86/x86_64/mm.rst of the kernel. */
#define TEXT_MAP UINT64_C(0xffffffff80000000)
#define TEXT_MAP_SIZE (UINT64_C(1) << 30)

/* More CPUs than that are not asked in vain. */
enum { CPUS_ASKED_MAX = 64 };

struct sights {
	struct mmu tables[CPUS_ASKED_MAX]; /* of CPUs that have any */
	size_t n;
	size_t images; /* that were looked at */
};

/* --- VMs --- */

static struct err *ask_cpus(const struct inspect *in, struct sights *ret)
{
	for (uint32_t cpu = 0; cpu < MIN(in->vm->cpus, (uint32_t)CPUS_ASKED_MAX); cpu++) {
		_cleanup_(buf_deinit) struct buf text = BUF_INIT;
		struct vm_registers r;

		TRY(control_registers(in->sock, cpu, &text));
		TRY(vm_registers_parse(buf_str(&text), text.len, &r));
		if (r.cr0 & CR0_PG)
			ret->tables[ret->n++] = (struct mmu){ r.cr3 & CR3_ROOT, r.cr4 & CR4_LA57 ? 5 : 4 };
	}
	return NULL;
}

static bool is_seen(const struct kernel *k, void *user)
{
	struct sights *s = user;

	s->images++;
	for (size_t i = 0; i < s->n; i++) {
		const struct mmu *t = &s->tables[i];

		if (kernel_is_seen_by(k, t) ||
		    kernel_is_seen_by(k, &(struct mmu){ t->root & ~CR3_PTI_USER, t->levels }))
			return true;
	}
	return false;
}

/* So often the machine was reset, as far as anybody knows. */
static uint64_t ask_resets(const struct inspect *in)
{
	struct control_guest guest = { .resets = 0 };
	_cleanup_(free) char *status = NULL;
	struct err *e = in->vm ? control_guest_status(in->sock, &status, &guest) : NULL;

	err_ignore(e);
	return e ? in->resets : guest.resets;
}

/* One that is there alone is taken if QEMU, which may have hung, doesn't say what its CPUs see. */
static struct err *without_cpus(struct inspect *in, const struct sights *s, struct err *why)
{
	_cleanup_(err_destroy) struct err *e = why;

	if (s->images > 1)
		return err_create(
			ERR_NOT_FOUND,
			"%zu kernels are in the guest's memory, since it was reset, and which of them runs is not "
			"known: %s",
			s->images, err_message(e));
	log_debug("%s", err_message(e));
	return kernel_open(in->mem, in->build_id, in->facts, &in->kernel);
}

static struct err *find_seen(struct inspect *in)
{
	struct sights s = { .n = 0 };
	struct err *e = ask_cpus(in, &s), *look;

	if (e)
		s.n = 0;
	look = kernel_look(in->mem, in->build_id, in->facts, is_seen, &s, &in->kernel);
	if (look) {
		err_ignore(e);
		return look;
	}
	if (e)
		return without_cpus(in, &s, e);
	if (in->kernel)
		return NULL;
	if (s.images)
		return err_create(
			ERR_NOT_FOUND,
			"the guest was reset, and its kernel has not set up its page tables yet: what is in memory is "
			"of the time before; try again when it runs");
	return kernel_open(in->mem, in->build_id, in->facts, &in->kernel);
}

/* --- Cores --- */

struct core {
	struct mem *mem;
	bool has_offset;
	uint64_t offset;
};

/* Code that a CPU is at in the kernel's own image, by the tables that mem has just been given: those of k. */
static bool has_code(const struct core *c, uint64_t pc)
{
	uint64_t phys;
	struct err *e;

	if (pc - TEXT_MAP >= TEXT_MAP_SIZE)
		return true;
	e = mem_translate(c->mem, pc, &phys);
	err_ignore(e);
	return !e;
}

static bool fits_core(const struct kernel *k, void *user)
{
	const struct core *c = user;
	struct cpu_registers r;
	uint64_t pc;

	if (c->has_offset)
		return kernel_slide(k) == c->offset;
	for (uint32_t cpu = 0; cpu < CPUS_ASKED_MAX && mem_core_registers(c->mem, cpu, &r); cpu++) {
		if (register_get(&r.r, REGISTER_RIP, &pc) && !has_code(c, pc))
			return false;
	}
	return true;
}

static struct err *find_in_core(struct inspect *in)
{
	const char *text = mem_core_vmcoreinfo(in->mem);
	struct core c = { .mem = in->mem };

	c.has_offset = text && vmcoreinfo_number(text, strlen(text), "KERNELOFFSET", 16, &c.offset);
	TRY(kernel_look(in->mem, in->build_id, in->facts, fits_core, &c, &in->kernel));
	return in->kernel ? NULL : kernel_open(in->mem, in->build_id, in->facts, &in->kernel);
}

struct err *inspect_find_kernel(struct inspect *in)
{
	kernel_destroy(in->kernel);
	in->kernel = NULL;
	if (!in->vm)
		return find_in_core(in);
	if (in->lent_fd >= 0)
		return kernel_open_at(in->mem, in->build_id, in->facts, in->lent_slide, &in->kernel);
	in->resets = ask_resets(in);
	if (in->resets)
		return find_seen(in);
	return kernel_open(in->mem, in->build_id, in->facts, &in->kernel);
}

bool inspect_was_reset(const struct inspect *in)
{
	return in->lent_fd < 0 && ask_resets(in) != in->resets;
}
