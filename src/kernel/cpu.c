#include "kernel/cpu.h"

#include "base/util.h"
#include "kernel/kernel_private.h"
#include "kernel/percpu.h"

enum { POINTER = 8, STACK_USUAL = 16384 };

uint32_t cpu_count(const struct kernel *k)
{
	uint64_t n = k->facts[FACT_PER_CPU_OFFSET].size / POINTER, ids;

	if (!has(k, FACT_PER_CPU_OFFSET))
		return 1;
	if (has(k, FACT_NR_CPU_IDS) && read_number(k, symbol(k, FACT_NR_CPU_IDS), 4, &ids))
		n = MIN(n, ids);
	return (uint32_t)MIN(n, (uint64_t)LIMIT_CPUS);
}

static bool per_cpu(const struct kernel *k, uint32_t cpu, enum kernel_fact f, uint64_t *ret)
{
	return has(k, f) && percpu_try_address(k, k->facts[f].value, cpu, ret);
}

/* A pointer in a per-CPU variable of its own, or in the struct that had several of them for a while. */
static bool read_hot(const struct kernel *k, uint32_t cpu, enum kernel_fact own, enum kernel_fact member, uint64_t *ret)
{
	uint64_t address;

	if (has(k, member))
		return per_cpu(k, cpu, FACT_PCPU_HOT, &address) && read_pointer(k, address, member, ret);
	return per_cpu(k, cpu, own, &address) && read_number(k, address, POINTER, ret) && is_kernel_address(*ret);
}

bool cpu_current(const struct kernel *k, uint32_t cpu, uint64_t *ret)
{
	return read_hot(k, cpu, FACT_CURRENT_TASK, FACT_PCPU_HOT_TASK, ret);
}

size_t cpu_stacks(const struct kernel *k, uint32_t cpu, struct stack_range ret[CPU_STACKS_MAX])
{
	static const struct {
		enum kernel_fact fact;
		const char *name;
	} exceptions[] = {
		{ FACT_EXCEPTION_STACKS_DF, "#DF" }, { FACT_EXCEPTION_STACKS_NMI, "NMI" },
		{ FACT_EXCEPTION_STACKS_DB, "#DB" }, { FACT_EXCEPTION_STACKS_MCE, "#MC" },
		{ FACT_EXCEPTION_STACKS_VC, "#VC" }, { FACT_EXCEPTION_STACKS_VC2, "#VC2" },
	};
	uint64_t size = k->facts[FACT_IRQ_STACK].size, at;
	size_t n = 0;

	/* The pointer is to the last word, where the stack pointer of what was interrupted goes. */
	if (size && size <= LIMIT_STACK && read_hot(k, cpu, FACT_IRQ_STACK_PTR, FACT_PCPU_HOT_IRQ_STACK, &at))
		ret[n++] = (struct stack_range){ "IRQ", at + POINTER - size, at + POINTER };
	if (!per_cpu(k, cpu, FACT_EXCEPTION_STACKS, &at) || !read_number(k, at, POINTER, &at) || !is_kernel_address(at))
		return n;
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++) {
		const struct layout_answer *a = &k->facts[exceptions[i].fact];

		if (a->found && a->size && a->size <= LIMIT_STACK)
			ret[n++] = (struct stack_range){ exceptions[i].name, at + a->value, at + a->value + a->size };
	}
	return n;
}

static uint64_t stack_size(const struct kernel *k)
{
	bool old = !has(k, FACT_INIT_STACK_START);
	enum kernel_fact start = old ? FACT_INIT_STACK_START_OLD : FACT_INIT_STACK_START,
			 end = old ? FACT_INIT_STACK_END_OLD : FACT_INIT_STACK_END;
	uint64_t size = k->facts[end].value - k->facts[start].value;

	/* A power of two, as the kernel wants it. */
	return has(k, start) && has(k, end) && size && size <= LIMIT_STACK && !(size & (size - 1)) ? size : STACK_USUAL;
}

bool task_stack(const struct kernel *k, uint64_t task, struct stack_range *ret)
{
	uint64_t start;

	if (!read_pointer(k, task, FACT_TASK_STACK, &start) || start > UINT64_MAX - LIMIT_STACK)
		return false;
	*ret = (struct stack_range){ "task", start, start + stack_size(k) };
	return true;
}

bool cpu_has_stack(const struct kernel *k, uint32_t cpu, uint64_t sp)
{
	struct stack_range ranges[CPU_STACKS_MAX + 1];
	size_t n = cpu_stacks(k, cpu, ranges);
	uint64_t task;

	if (cpu_current(k, cpu, &task) && task_stack(k, task, &ranges[n]))
		n++;
	for (size_t i = 0; i < n; i++) {
		if (sp - ranges[i].start < ranges[i].end - ranges[i].start)
			return true;
	}
	return false;
}
