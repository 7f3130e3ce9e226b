/*
 * A Linux kernel found in a guest's memory. All else in this folder starts from here.
 *
 * Nothing is believed of what the memory says: every walk is bounded (kernel/limits.h), every address is looked up in page
 * tables before it is read, every size is checked before it is used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "debuginfo/layout.h"
#include "mem/mem.h"

/* What is to be known about a kernel: the answers to kernel_questions, in their order. */
enum kernel_fact {
#define FACT(id, kind, type, name, if_symbol) FACT_##id,
#include "kernel/facts.def"
#undef FACT
	KERNEL_FACTS_N,
};

/* For debuginfo/layout.h: KERNEL_FACTS_N of them. */
extern const struct layout_question kernel_questions[];

struct kernel;

/*
 * Finds the kernel in m, whose virtual addresses are the kernel's from then on; m must live as long. facts: as answered by
 * layout_load(); build_id is that of the vmlinux they come from, hexadecimal.
 *
 * ERR_BAD_DATA: another kernel is there; both build IDs are in the message. ERR_NOT_FOUND: none is there, since the guest
 * has not come so far yet (firmware, decompressor), or it is not Linux. ERR_UNSUPPORTED: vmlinux is not of x86-64, or lacks
 * what must be known.
 */
struct err *kernel_open(struct mem *m, const char *build_id, const struct layout_answer *facts, struct kernel **ret)
	err_must_check;
/*
 * The same for those who ask again and again while a guest boots: whether another kernel is there is not looked for. A reset
 * leaves the last one's image in memory, and KASLR puts the next one elsewhere: real() says whether one is meant that seems to
 * be there; NULL: any. *ret is NULL if it isn't there (yet).
 */
struct err *kernel_look(struct mem *m, const char *build_id, const struct layout_answer *facts,
			bool (*real)(const struct kernel *k, void *user), void *user, struct kernel **ret)
	err_must_check;
/*
 * Whether these page tables, such as those that a CPU has, lead to this kernel's image where it says that it is. Those of a
 * kernel that ran there before a reset don't.
 */
bool kernel_is_seen_by(const struct kernel *k, const struct mmu *tables);

/*
 * Finds the kernel in distant memory (mem_open_distant()), through which nobody can search: pcs, n of them, are places in code at
 * which its CPUs are, and those at which its image can lie then are looked at first, and then all others. Errors as
 * kernel_open()'s, but that ERR_NOT_FOUND may also mean that it is another kernel.
 */
struct err *kernel_open_distant(struct mem *m, const char *build_id, const struct layout_answer *facts,
				const uint64_t *pcs, size_t n, struct kernel **ret) err_must_check;
/* The same where it is known how far it was moved. */
struct err *kernel_open_at(struct mem *m, const char *build_id, const struct layout_answer *facts, uint64_t slide,
			   struct kernel **ret) err_must_check;

void kernel_destroy(struct kernel *k);
DEFINE_CLEANUP(struct kernel *, kernel_destroy);

/* How far the kernel's virtual addresses are from those in vmlinux; 0 without KASLR. Bytes. */
uint64_t kernel_slide(const struct kernel *k);
/* Virtual minus physical addresses of all that is in its image. */
uint64_t kernel_image_base(const struct kernel *k);
/* The virtual address at which it maps all physical memory, from 0 on. False: it has not done so yet. */
bool kernel_direct_map(const struct kernel *k, uint64_t *ret);
/*
 * Appends what it says about itself for the readers of its dumps (VMCOREINFO). False: it has not come so far, or that can't
 * be read.
 */
bool kernel_vmcoreinfo(const struct kernel *k, struct buf *ret);
/* The virtual address of a fact that is a symbol, or the build ID; 0: this kernel has none such. */
uint64_t kernel_symbol(const struct kernel *k, enum kernel_fact f);
/* Where its image begins in physical memory. */
uint64_t kernel_phys(const struct kernel *k);
/* 4 or 5. */
unsigned int kernel_levels(const struct kernel *k);
/* Whether it has come so far as to describe itself (VMCOREINFO), and what it says agrees with what was found. */
bool kernel_is_confirmed(const struct kernel *k);
