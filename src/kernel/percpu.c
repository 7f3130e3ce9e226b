#include "kernel/percpu.h"

#include <inttypes.h>

#include "base/util.h"
#include "kernel/cpu.h"
#include "kernel/kernel_private.h"

enum { POINTER = 8 };

/* struct cpumask: a bit for each CPU, in words of 64. */
static void read_mask(const struct kernel *k, enum kernel_fact mask, struct cpu_set *ret)
{
	size_t size = has(k, mask) ? MIN((size_t)k->facts[mask].size, sizeof(ret->bits)) : 0;
	uint64_t any = 0;

	*ret = (struct cpu_set){ 0 };
	if (size && !mem_try_read(k->mem, symbol(k, mask), ret->bits, size))
		*ret = (struct cpu_set){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(ret->bits); i++)
		any |= ret->bits[i];
	/* For one CPU, or so early that nothing is set yet. */
	if (!any)
		ret->bits[0] = 1;
}

void percpu_possible(const struct kernel *k, struct cpu_set *ret)
{
	read_mask(k, FACT_CPU_POSSIBLE, ret);
}

void percpu_online(const struct kernel *k, struct cpu_set *ret)
{
	read_mask(k, FACT_CPU_ONLINE, ret);
}

bool percpu_is_variable(const struct kernel *k, uint64_t linked)
{
	return has(k, FACT_PER_CPU_OFFSET) && has(k, FACT_PER_CPU_START) && has(k, FACT_PER_CPU_END) &&
	       linked >= k->facts[FACT_PER_CPU_START].value && linked < k->facts[FACT_PER_CPU_END].value;
}

struct err *percpu_offset(const struct kernel *k, uint64_t cpu, uint64_t *ret)
{
	struct cpu_set possible;

	percpu_possible(k, &possible);
	if (!has(k, FACT_PER_CPU_OFFSET)) {
		if (cpu)
			return err_create(ERR_NOT_FOUND, "there is no CPU %" PRIu64 ": the kernel is for one CPU", cpu);
		*ret = 0;
		return NULL;
	}
	if (!cpu_set_has(&possible, cpu) || cpu >= k->facts[FACT_PER_CPU_OFFSET].size / POINTER)
		return err_create(ERR_NOT_FOUND, "there is no CPU %" PRIu64, cpu);
	return err_wrap(mem_read(k->mem, symbol(k, FACT_PER_CPU_OFFSET) + cpu * POINTER, ret, POINTER),
			"read where CPU %" PRIu64 " has its data", cpu);
}

struct err *percpu_address(const struct kernel *k, uint64_t linked, uint64_t cpu, uint64_t *ret)
{
	uint64_t offset;

	TRY(percpu_offset(k, cpu, &offset));
	/* Linked at 0 they don't move with the image; newer kernels link them within it. */
	if (is_kernel_address(k->facts[FACT_PER_CPU_START].value))
		linked += k->slide;
	*ret = linked + offset;
	return NULL;
}

bool percpu_try_address(const struct kernel *k, uint64_t linked, uint32_t cpu, uint64_t *ret)
{
	uint64_t offset = 0;

	if (cpu >= cpu_count(k))
		return false;
	if (has(k, FACT_PER_CPU_OFFSET) &&
	    !read_number(k, symbol(k, FACT_PER_CPU_OFFSET) + (uint64_t)cpu * POINTER, POINTER, &offset))
		return false;
	*ret = linked + (is_kernel_address(linked) ? k->slide : 0) + offset;
	return true;
}
