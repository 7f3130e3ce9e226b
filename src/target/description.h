/*
 * Target descriptions: which registers a stub has, and where each lies among the bytes of a g packet. Pure. GDB's manual, appendix
 * "Target Descriptions"; the files in gdb-xml/ of QEMU.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { DESCRIPTION_REGISTERS_MAX = 1024, DESCRIPTION_NAME_MAX = 31, DESCRIPTION_INCLUDES_MAX = 32 };

struct description_register {
	char name[DESCRIPTION_NAME_MAX + 1]; /* longer ones are cut off */
	unsigned int number;                 /* as in a p packet */
	uint32_t offset, size;               /* bytes, among those of a g packet */
};

struct description {
	struct description_register *registers; /* in the order of their numbers */
	size_t n;
	uint32_t size; /* bytes: of all of them */
};

#define DESCRIPTION_INIT                                                                                               \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

void description_deinit(struct description *d);
DEFINE_CLEANUP_STORAGE(struct description, description_deinit);

/* Fetches the text of a file of the description. */
typedef struct err *(*description_fetch)(const char *annex, struct buf *ret, void *user);

/* Understands "target.xml" and what it includes. ERR_BAD_DATA if it makes no sense. */
struct err *description_read(description_fetch fetch, void *user, struct description *ret) err_must_check;

/* By name; NULL: there is none. */
const struct description_register *description_find(const struct description *d, const char *name);
/* By number; NULL: there is none. */
const struct description_register *description_at(const struct description *d, unsigned int number);

/* The value of a register of at most 8 bytes in a g packet's bytes, little endian. False if it isn't there. */
bool description_value(const struct description_register *r, const void *bytes, size_t len, uint64_t *ret);
/* Puts it there. The bytes must reach that far, and the register have at most 8. */
void description_set(const struct description_register *r, void *bytes, uint64_t value);
