/*
 * Guest memory, to be read: physical, or virtual by the kernel's page tables. It is the RAM of a running VM, mapped from
 * the descriptor that its supervisor hands out, a core file, or what the kernel itself hands out of its memory.
 *
 * A running guest writes while it is read. So what is read is copied, and no pointer into guest memory leaves this
 * module. A naturally aligned value of 1, 2, 4 or 8 bytes is copied in one access; what is longer may be torn. Reads
 * take place in the order in which they are asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/registers.h"
#include "mem/mmu_x86_64.h"

struct mem;

/* A stretch of guest physical memory, and where it lies in the file that backs it. Bytes. */
struct mem_range {
	uint64_t start;
	uint64_t size;
	uint64_t offset;
};

enum { MEM_RANGES_MAX = 8 };

/*
 * The RAM of a VM. fd stays the caller's and may be closed afterwards: the mapping holds the memory, even when the VM has
 * gone. The file must not shrink (the supervisor seals it). ERR_BAD_DATA if the ranges are not all in the file.
 */
struct err *mem_open_ram(int fd, const struct mem_range *ranges, size_t n, struct mem **ret) err_must_check;

/* Memory in a buffer of the caller's, which must stay as long as the mem. Ranges as above. */
struct err *mem_open_buffer(const void *data, size_t size, const struct mem_range *ranges, size_t n, struct mem **ret)
	err_must_check;

/*
 * A core file: ELF or kdump-compressed, as QEMU, kdump or makedumpfile write them. ERR_PREREQ if libkdumpfile is not
 * installed, ERR_BAD_DATA if it is none or broken.
 */
struct err *mem_open_core(const char *path, struct mem **ret) err_must_check;

/*
 * The kernel's virtual memory, where that is all there is and each look takes its time, as over a serial line. fetch: copies from
 * there, within one page; ERR_FAULT: there is nothing. After any other error nothing is fetched any more until mem_forget(). What
 * was fetched is kept until then: it must be called whenever the memory may have changed.
 *
 * Physical memory can be read once mem_set_direct_map() was called.
 */
typedef struct err *(*mem_fetch)(void *user, uint64_t address, void *ret, size_t len);
struct mem *mem_open_distant(mem_fetch fetch, void *user);
void mem_forget(struct mem *m);
/* Where physical memory is mapped, from 0 on. */
void mem_set_direct_map(struct mem *m, uint64_t address);

/* Another owner, who calls mem_destroy() as well. Returns m. */
struct mem *mem_share(struct mem *m);
void mem_destroy(struct mem *m);
DEFINE_CLEANUP(struct mem *, mem_destroy);

/* True if it can't change: a core. */
bool mem_is_core(const struct mem *m);
/* True if it was opened by mem_open_distant(): nothing is to be searched for there. */
bool mem_is_distant(const struct mem *m);
/* The first physical address above all memory. Of distant memory that is not known: there could be so much. */
uint64_t mem_end(const struct mem *m);
/* How much there is, in bytes: a bound for what can be in it; of distant memory, for what is looked at. */
uint64_t mem_size(const struct mem *m);
/* The VMCOREINFO that a core file brings along as a note; NULL if there is none. Belongs to m. */
const char *mem_core_vmcoreinfo(struct mem *m);

/*
 * What a CPU was at, by the notes of a core file (NT_PRSTATUS), which count from 0, not always as the kernel does. False if
 * there are no more.
 */
bool mem_core_registers(struct mem *m, uint32_t cpu, struct cpu_registers *ret);

/*
 * Which physical memory a core has, sorted and on borders of pages; offsets count what is there. Where it is in too many pieces
 * some are joined over what is between them: *ret_joined is how much that is, in bytes. The caller frees *ret. ERR_BAD_DATA if
 * there is none, ERR_UNSUPPORTED if it lies where no machine has any.
 */
struct err *mem_core_ranges(struct mem *m, struct mem_range **ret, size_t *ret_n, uint64_t *ret_joined) err_must_check;
enum { MEM_CORE_RANGES_MAX = 8192 };
/* Appends its notes as they are in the file (mem/notes.h); nothing if it has none. */
void mem_core_notes(struct mem *m, struct buf *ret);

/* Copies physical memory. ERR_FAULT if there is none at any of the addresses. */
struct err *mem_read_phys(struct mem *m, uint64_t address, void *ret, size_t len) err_must_check;

/*
 * The same, for those who search through all memory: pages that the guest never touched don't come into being by being
 * looked at.
 */
struct err *mem_peek_phys(struct mem *m, uint64_t address, void *ret, size_t len) err_must_check;

/* From now on virtual addresses are those of these page tables. */
void mem_set_mmu(struct mem *m, const struct mmu *mmu);

/* Copies virtual memory. ERR_FAULT if any of it is not mapped; the message says where and at which level. */
struct err *mem_read(struct mem *m, uint64_t address, void *ret, size_t len) err_must_check;
/* The physical address behind a virtual one. */
struct err *mem_translate(struct mem *m, uint64_t address, uint64_t *ret) err_must_check;

/*
 * The same without a message, for those who only want to know whether it worked: hot paths, and guesses. Nothing is
 * promised of *ret on failure.
 */
bool mem_try_read(struct mem *m, uint64_t address, void *ret, size_t len) err_must_check;

/* A piece of what mem_gather() reads: where, from its base on, how much, and where it is put. Bytes. */
struct mem_piece {
	uint32_t offset;
	uint32_t size;
	uint32_t to;
};

enum { MEM_PIECES_MAX = 32 };

/*
 * Reads several pieces of one structure into another one, as mem_try_read() would one by one, but without looking its pages up
 * for each. Returns the pieces that could be read: bit i for piece i; none for one without a size. n is at most MEM_PIECES_MAX.
 */
uint32_t mem_gather(struct mem *m, uint64_t address, const struct mem_piece *pieces, size_t n, void *ret);

/*
 * Says that these pieces will be asked for soon, so that the processor can fetch them meanwhile. Anything may be said;
 * nothing follows from it.
 */
void mem_prefetch(struct mem *m, uint64_t address, const struct mem_piece *pieces, size_t n);
