/*
 * What the files of ktb dump share.
 */
#pragma once

#include "base/draft.h"
#include "base/progress.h"
#include "cmd/inspect.h"

struct dump {
	const char *path;
	bool replace;
	struct inspect in;
	struct draft file;
	struct progress progress;
	uint64_t asked_ns; /* when QEMU was last asked how far it is */
	uint64_t memory;   /* bytes of it that are in the dump */
	unsigned int vcpus;
	bool vmcoreinfo;
};

/* ERR_CLOSED if a signal that ends programs waits to be delivered. */
struct err *dump_check_signals(const struct dump *d) err_must_check;

/* What a note of registers has for a PID, if it is of this CPU of the kernel's. */
uint32_t dump_note_pid(const struct dump *d, uint32_t cpu);

/* Writes an ELF core into the file: of a VM that stands still, or of a core. */
struct err *dump_write_elf(struct dump *d) err_must_check;

/*
 * A note of n bytes at most: how long it is, and if it is of a CPU's registers, where its PID is, else 0. Returns 0 if there is
 * none. Pure.
 */
size_t dump_parse_note(const uint8_t *note, size_t n, size_t *ret_pid);
