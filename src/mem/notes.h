/*
 * The registers of CPUs in the notes of a core file: NT_PRSTATUS of "CORE", one for each CPU, with struct elf_prstatus of
 * x86-64 (include/linux/elfcore.h of the kernel; gABI "Note Section"). libkdumpfile reads those of ELF cores, but not those
 * of kdump-compressed ones, whose place is in their second header (struct kdump_sub_header of makedumpfile).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/registers.h"

/* So much of a kdump-compressed file must be known to find its notes; bytes. */
enum { NOTES_HEAD = 4096 + 64 };

/* Where the notes are in a file that begins so. False: it is none, or has none. Pure. */
bool notes_place(const void *head, size_t len, uint64_t *ret_offset, uint64_t *ret_size);

/* The registers in the n-th of the notes on CPUs, counted from 0. False if there aren't so many. Pure. */
bool notes_registers(const void *notes, size_t len, uint32_t n, struct cpu_registers *ret);
