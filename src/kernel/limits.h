/*
 * The bounds of everything that is read out of a guest's memory, in one place. They are far above what a kernel can
 * have, and low enough that a hostile one costs neither much memory nor much time.
 */
#pragma once

#include <stdint.h>

/* Tasks: PID_MAX_LIMIT of the kernel. There can't be more of them than memory has room for, either. */
#define LIMIT_TASKS (UINT32_C(1) << 22)
/* NR_CPUS of the largest configuration. */
#define LIMIT_CPUS 8192U
/* How often a walk that the guest has torn is begun again. */
#define LIMIT_TRIES 10
/* The kernel's log: CONFIG_LOG_BUF_SHIFT and log_buf_len= go to 2 GiB; 2^27 bytes, and 2^22 descriptors. */
#define LIMIT_LOG_SIZE_BITS 27U
#define LIMIT_LOG_COUNT_BITS 22U
/* sizeof() of a descriptor and of a record's head. */
#define LIMIT_LOG_STRUCT 1024U
/* VMCOREINFO is one page, and since 2025 a bit more. */
#define LIMIT_VMCOREINFO 65536U
/* Modules, the sections of one, and all modules, users and sections together that are looked at. */
#define LIMIT_MODULES 16384U
#define LIMIT_SECTIONS 4096U
#define LIMIT_MODULE_STEPS (UINT32_C(1) << 18)
#define LIMIT_SECTION_NAME 256U
/* Areas of vmalloc's that are looked at for one address, and the lists of them: one for each CPU at most. */
#define LIMIT_VMALLOC_STEPS (UINT32_C(1) << 20)
#define LIMIT_VMALLOC_NODES 1024U
/* Frames of a stack, of which those that only schedule are skipped. */
#define LIMIT_FRAMES 128U
/* The same where all are shown: the smallest take 16 bytes. */
#define LIMIT_STACK_FRAMES 1024U
/* Bytes of a task's stack: 16 KiB, twice that with KASAN. */
#define LIMIT_STACK (UINT64_C(1) << 17)
/* sizeof() of what an entry into the kernel puts on the stack. */
#define LIMIT_REGS 512U
/* Entries of the kernel's unwind tables. */
#define LIMIT_ORC (UINT64_C(1) << 26)
/* Steps of 2 MiB in which physical memory is searched for the kernel: 2 TiB. */
#define LIMIT_PLACES (UINT64_C(1) << 20)
/* Pages among which another kernel's VMCOREINFO is looked for: 64 GiB. */
#define LIMIT_PAGES (UINT64_C(1) << 24)
/* What is shown of a value: parts in all, elements of an array, bytes of all arrays, characters of text and of a name. */
#define LIMIT_SHOWN (UINT32_C(1) << 16)
#define LIMIT_SHOWN_ELEMENTS 200U
#define LIMIT_SHOWN_BYTES (UINT32_C(1) << 20)
#define LIMIT_SHOWN_TEXT 4096U
#define LIMIT_SHOWN_INNER_TEXT 200U
#define LIMIT_SHOWN_NAME 256U
