/*
 * Where the RAM of a VM lies in its physical addresses.
 */
#pragma once

#include "mem/mem.h"

enum { VM_RAM_RANGES_MAX = 3 };

/* Of a VM with that many bytes of memory, on the machine that vm_argv() asks for. Returns how many ranges. Pure. */
size_t vm_ram_ranges(uint64_t memory, struct mem_range ret[VM_RAM_RANGES_MAX]);

/*
 * The same as CPUs see it: without what lies below 1 MiB in place of RAM (graphics memory, firmware). Returns how many ranges.
 * Pure.
 */
size_t vm_ram_ranges_of_cpus(uint64_t memory, struct mem_range ret[VM_RAM_RANGES_MAX]);
