/*
 * Call frame information: how to get from the registers in a function to those in its caller. DWARF 5, section 6.4
 * (.debug_frame, else .eh_frame), by libdw.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/registers.h"
#include "debuginfo/dwarf_file.h"

struct cfi;

/* Addresses are those of the file as opened. f must stay open as long. */
struct cfi *cfi_create(const struct dwarf_file *f);
void cfi_destroy(struct cfi *c);
DEFINE_CLEANUP(struct cfi *, cfi_destroy);

/* Eight bytes of the stack. False if they can't be read. */
typedef bool (*cfi_read)(uint64_t address, uint64_t *ret, void *user);

enum cfi_result {
	CFI_FOUND,
	CFI_NONE,  /* no information about that address */
	CFI_FAULT, /* what it says can't be followed: memory or registers that it needs are not known */
};

/*
 * The registers of the caller of the code at pc; REGISTER_RIP is where it goes on then. pc: where a call returns to, minus
 * 1; or the address itself, where execution was interrupted. *ret is written only if found.
 */
enum cfi_result cfi_unwind(struct cfi *c, uint64_t pc, const struct registers *now, cfi_read read, void *user,
			   struct registers *ret);
