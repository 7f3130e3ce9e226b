/*
 * QEMU and the notes of a core number CPUs as they like, though mostly as the kernel does. In the kernel, a CPU is known by the
 * stack that it is on: that of the task that runs there, or one of its own. Those in user mode are left with their number.
 */
#include "cmd/inspect_cpus.h"

#include "base/buf.h"
#include "base/log.h"
#include "cmd/lend.h"
#include "kernel/cpu.h"
#include "supervisor/control.h"
#include "vm/registers.h"

/* Privilege level in a code segment's selector. */
enum { CS_LEVEL = 3 };

void inspect_cpus_deinit(struct inspect_cpus *c)
{
	free(c->cpus);
	*c = (struct inspect_cpus)INSPECT_CPUS_INIT;
}

static void take_registers(const struct vm_registers *from, struct cpu_registers *to)
{
	/* QEMU has them in the order in which instructions number them. */
	static const enum register_number numbers[VM_GENERAL_N] = {
		[VM_RAX] = REGISTER_RAX, [VM_RCX] = REGISTER_RCX, [VM_RDX] = REGISTER_RDX, [VM_RBX] = REGISTER_RBX,
		[VM_RSP] = REGISTER_RSP, [VM_RBP] = REGISTER_RBP, [VM_RSI] = REGISTER_RSI, [VM_RDI] = REGISTER_RDI,
		[VM_R8] = REGISTER_R8,   [VM_R9] = REGISTER_R9,   [VM_R10] = REGISTER_R10, [VM_R11] = REGISTER_R11,
		[VM_R12] = REGISTER_R12, [VM_R13] = REGISTER_R13, [VM_R14] = REGISTER_R14, [VM_R15] = REGISTER_R15,
	};

	*to = (struct cpu_registers){ .cs = from->cs };
	for (size_t i = 0; i < VM_GENERAL_N; i++)
		register_set(&to->r, numbers[i], from->general[i]);
	register_set(&to->r, REGISTER_RIP, from->rip);
}

static struct err *read_vcpu(int sock, uint32_t i, struct cpu_registers *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct vm_registers registers;

	TRY(control_registers(sock, i, &text));
	TRY(vm_registers_parse(text.data, text.len, &registers));
	take_registers(&registers, ret);
	return NULL;
}

static struct err *stands_still(const struct inspect *in, bool *ret)
{
	_cleanup_(free) char *status = NULL;

	TRY(control_status(in->sock, &status));
	*ret = !streq(status, "running");
	return NULL;
}

static size_t borrow_all(const struct inspect *in, struct cpu_registers *ret, size_t max)
{
	for (size_t n = 0; n < max; n++) {
		struct err *e = lend_borrow_registers(in->lent_fd, (uint32_t)n, &ret[n]);

		if (!e)
			continue;
		err_destroy(e);
		return n;
	}
	return max;
}

/* *ret_n of them, by the number that QEMU or the core gives them; the caller frees *ret. */
static struct err *read_all(const struct inspect *in, struct cpu_registers **ret, size_t *ret_n)
{
	uint32_t max = cpu_count(in->kernel);
	_cleanup_(free) struct cpu_registers *all = xcalloc(max, sizeof(*all));
	bool still = true;
	size_t n = 0;

	if (in->lent_fd >= 0) {
		n = borrow_all(in, all, max);
	} else if (in->vm) {
		TRY(stands_still(in, &still));
		for (; still && n < MIN(max, in->vm->cpus); n++)
			TRY(read_vcpu(in->sock, (uint32_t)n, &all[n]));
	} else {
		while (n < max && mem_core_registers(in->mem, (uint32_t)n, &all[n]))
			n++;
	}
	*ret = steal(&all);
	*ret_n = n;
	return NULL;
}

static bool is_user(const struct cpu_registers *r)
{
	return (r->cs & CS_LEVEL) != 0;
}

static void assign(struct inspect_cpus *c, size_t cpu, const struct cpu_registers *r)
{
	c->cpus[cpu] = (struct inspect_cpu){ .known = true, .registers = *r };
}

/* The CPU whose stack it is on: first the one of that number. */
static void assign_by_stack(const struct inspect *in, struct inspect_cpus *c, size_t number,
			    const struct cpu_registers *r)
{
	uint64_t sp;

	if (!register_get(&r->r, REGISTER_RSP, &sp))
		return;
	for (size_t i = 0; i < c->n; i++) {
		size_t cpu = (number + i) % c->n;

		if (!c->cpus[cpu].known && cpu_has_stack(in->kernel, (uint32_t)cpu, sp)) {
			assign(c, cpu, r);
			return;
		}
	}
	/* It may be at its very first instructions, or have lost its stack: that is worth being shown. */
	if (!c->cpus[number].known)
		assign(c, number, r);
}

struct err *inspect_cpus_read(const struct inspect *in, struct inspect_cpus *ret)
{
	_cleanup_(free) struct cpu_registers *all = NULL;
	size_t n;

	TRY(read_all(in, &all, &n));
	ret->n = cpu_count(in->kernel);
	ret->cpus = xcalloc(ret->n, sizeof(*ret->cpus));
	for (size_t i = 0; i < n; i++) {
		if (!is_user(&all[i]))
			assign_by_stack(in, ret, i, &all[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (is_user(&all[i]) && !ret->cpus[i].known)
			assign(ret, i, &all[i]);
	}
	return NULL;
}
