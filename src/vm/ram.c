#include "vm/ram.h"

/*
 * QEMU's hw/i386/pc_q35.c: below 4 GiB there is room for devices. What doesn't fit in 2.75 GiB is split at 2 GiB, so that
 * addresses on a border of 1 GiB stay on one in the backing file.
 */
#define GIB (UINT64_C(1) << 30)
#define UNSPLIT_MAX UINT64_C(0xb0000000)
#define LOW (2 * GIB)
#define HIGH_START (4 * GIB)

/* Graphics memory, option ROMs, and what of the firmware is there. */
#define HOLE_START UINT64_C(0xa0000)
#define HOLE_END UINT64_C(0x100000)

size_t vm_ram_ranges(uint64_t memory, struct mem_range ret[VM_RAM_RANGES_MAX])
{
	if (memory < UNSPLIT_MAX) {
		ret[0] = (struct mem_range){ 0, memory, 0 };
		return 1;
	}
	ret[0] = (struct mem_range){ 0, LOW, 0 };
	ret[1] = (struct mem_range){ HIGH_START, memory - LOW, LOW };
	return 2;
}

size_t vm_ram_ranges_of_cpus(uint64_t memory, struct mem_range ret[VM_RAM_RANGES_MAX])
{
	struct mem_range all[VM_RAM_RANGES_MAX];
	size_t n = vm_ram_ranges(memory, all), kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct mem_range *r = &all[i];

		if (r->start == 0 && r->size > HOLE_END) {
			ret[kept++] = (struct mem_range){ 0, HOLE_START, 0 };
			r->start = r->offset = HOLE_END;
			r->size -= HOLE_END;
		}
		ret[kept++] = *r;
	}
	return kept;
}
