/*
 * Types of C, as debug information describes them, for those who show values: what kind, how large, what is in it, how it
 * is written.
 *
 * Debug information may be damaged, or lie. So every chain of types is followed for a bounded number of steps, and nobody
 * may rely on a size that fits to another one.
 */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum ctype_kind {
	CTYPE_VOID,
	CTYPE_INTEGER,
	CTYPE_CHAR, /* an integer of one byte that stands for a character: plain char */
	CTYPE_BOOL,
	CTYPE_ENUM,
	CTYPE_POINTER,
	CTYPE_STRUCT,
	CTYPE_UNION,
	CTYPE_ARRAY,
	CTYPE_FUNCTION,
	CTYPE_UNKNOWN, /* floating point, and whatever else has no value that can be shown */
};

/*
 * A type: what is described at a place in the debug information, or a pointer to it, or an array of that, which need not be
 * described anywhere. Plain data; copy it.
 */
struct ctype {
	bool is_void; /* nothing is described; die is not set */
	Dwarf_Die die;
	unsigned int dimension; /* of an array with several: so many of them have been indexed already */
	unsigned int pointers;  /* levels of pointers to it */
	uint64_t elements;      /* 0: no array beyond what is described */
};

/* Where structs are found of which a unit has only a declaration. */
struct ctype_source {
	/* The definition of a struct or union of that name and tag. False: there is none. */
	bool (*define)(const char *name, int tag, Dwarf_Die *ret, void *user);
	void *user;
};

struct ctype_info {
	enum ctype_kind kind;
	bool is_signed;
	bool is_declared;  /* a struct that nobody has defined; its size is 0 */
	uint64_t size;     /* bytes; of a function and void 0 */
	uint64_t count;    /* elements of an array; 0 for one without a length, at the end of a struct */
	struct ctype bare; /* without typedefs and qualifiers; a struct's definition */
};

/* Sizes beyond this are taken for damage. Bytes. */
#define CTYPE_SIZE_MAX (UINT64_C(1) << 40)

/* A type described at die. */
struct ctype ctype_of(const Dwarf_Die *die);
/* The type of what is described at die (a variable, member, typedef ...); void if it has none. */
struct ctype ctype_of_thing(Dwarf_Die *die);
struct ctype ctype_pointer_to(const struct ctype *t);

/* What it is. */
struct ctype_info ctype_describe(const struct ctype_source *source, const struct ctype *t);

/* What a pointer points at, or what an array has: t is as in ctype_info.bare. Void if it is neither. */
struct ctype ctype_target(const struct ctype *t);

struct ctype_member {
	const char *name; /* NULL: anonymous */
	struct ctype type;
	uint64_t offset; /* bytes */
	unsigned int bit_offset,
		bit_size; /* bit_size 0: no bit field; bit_offset from the lowest bit of the byte at offset */
};

/* Calls back for each member in their order, until false is returned. t is as in ctype_info.bare. */
typedef bool (*ctype_callback)(const struct ctype_member *m, void *user);
void ctype_members(const struct ctype_source *source, const struct ctype *t, ctype_callback callback, void *user);

/* The member of that name, within anonymous ones too; its offset is from the start of t. */
bool ctype_find_member(const struct ctype_source *source, const struct ctype *t, const char *name,
		       struct ctype_member *ret);

/* The name of an enumeration's value, or NULL. t is as in ctype_info.bare. */
const char *ctype_enumerator(const struct ctype *t, uint64_t value);

/* The type as C writes it: "struct list_head", "char [16]", "void (*)(struct callback_head *)". */
void ctype_format(const struct ctype *t, struct buf *ret);
