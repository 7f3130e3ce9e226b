/*
 * Core files of a kernel, written: ELF, as the kernel's own /proc/vmcore has it (System V ABI, "Object Files" and "Program
 * Loading"; fs/proc/vmcore.c and kexec-tools of Linux).
 *
 * All of the memory is in the file once, in the order in which it lies in the file that backs it, holes as holes. Segments
 * say at which virtual addresses it is to be found, so one byte may belong to several.
 */
#pragma once

#include "base/buf.h"
#include "mem/mappings.h"

/* As in /proc/kcore: where a segment lies physically is not said. */
#define VMCORE_NO_PHYS UINT64_MAX

/*
 * Headers of programs that ELF counts without detours are fewer than PN_XNUM (65,535), and readers go through the list of
 * segments one by one.
 */
enum { VMCORE_SEGMENTS_MAX = 32768 };

/* What is to be in a core. */
struct vmcore_contents {
	const struct mem_range *ranges; /* RAM, sorted, all of it on borders of pages */
	size_t ranges_n;                /* at most VMCORE_SEGMENTS_MAX */
	uint64_t direct_map;            /* virtual address of the physical address 0 */
	uint64_t image;                 /* the same for the kernel's image: mappings at this distance are it */
	const struct mem_mapping *maps; /* all else, from the highest address down */
	size_t maps_n;
	uint64_t notes_size; /* bytes of all notes */
};

struct vmcore_segment {
	uint64_t virt;
	uint64_t phys;   /* or VMCORE_NO_PHYS */
	uint64_t offset; /* in the core file */
	uint64_t size;
};

struct vmcore_layout {
	struct vmcore_segment *segments; /* RAM, as the direct map has it; then from the lowest address up */
	size_t n;
	size_t left_out; /* mappings for which there was no room */
	uint64_t notes;  /* where they begin */
	uint64_t data;   /* where memory begins: what lies at 0 in the file that backs it */
	uint64_t end;    /* the size of the core file */
};

/* Decides what lies where. Pure. What of the mappings is not in the RAM is left out. */
void vmcore_plan(const struct vmcore_contents *c, struct vmcore_layout *ret);
void vmcore_layout_deinit(struct vmcore_layout *l);
DEFINE_CLEANUP_STORAGE(struct vmcore_layout, vmcore_layout_deinit);

/* Appends the file's beginning, up to the notes. */
void vmcore_put_headers(const struct vmcore_layout *l, uint64_t notes_size, struct buf *out);
/* Appends a note. */
void vmcore_put_note(const char *name, uint32_t type, const void *data, size_t len, struct buf *out);

/* Called now and then: bytes done and in all. What it returns ends the work. */
typedef struct err *(*vmcore_progress)(uint64_t done, uint64_t total, void *user);

/*
 * Copies the RAM that m maps (mem_open_ram()) to fd from `at` on, up to its end. Pages without content become holes.
 * *ret_written is how many bytes were written. ERR_OS if they can't be.
 */
struct err *vmcore_copy_memory(struct mem *m, int fd, uint64_t at, vmcore_progress progress, void *user,
			       uint64_t *ret_written) err_must_check;

/*
 * The same of a core's ranges (mem_core_ranges()). Pages that can't be read become holes; *ret_missing is how many bytes that
 * are.
 */
struct err *vmcore_copy_core(struct mem *m, const struct mem_range *ranges, size_t n, int fd, uint64_t at,
			     vmcore_progress progress, void *user, uint64_t *ret_missing) err_must_check;
