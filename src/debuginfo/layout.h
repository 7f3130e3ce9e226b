/*
 * What must be known of a kernel to find things in its memory: where symbols lie, at which offset a member is, how large a
 * type is, which number an enumerator has. All of it is asked for at once, as a table of questions, and looked up in vmlinux:
 * ELF symbols and DWARF. That takes from a tenth of a second to some seconds, so the answers are kept in a file named by
 * the kernel's build ID; with it vmlinux is not even opened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum layout_kind {
	LAYOUT_SYMBOL, /* name: a function or variable */
	LAYOUT_TYPE,   /* type: a struct or union */
	LAYOUT_MEMBER, /* name: path of members in the struct, "thread.sp"; anonymous ones are gone through by themselves */
	LAYOUT_ENUMERATOR, /* name: of any enumeration */
	LAYOUT_BUILD_ID,   /* where the kernel has its build ID: the bytes of the note */
};

struct layout_question {
	enum layout_kind kind;
	const char *type; /* NULL where there is none */
	const char *name; /* NULL where there is none */
	/* Asked only if there is a symbol of this name: for what not every kernel has. NULL: always. */
	const char *if_symbol;
};

/* An answer. Whether a kernel has what was asked for is the first thing to look at: kernels differ. */
struct layout_answer {
	bool found;
	bool is_signed; /* a member that is a signed number */
	uint64_t
		value; /* address as linked; offset in bytes; the enumerator's number, two's complement; for a type 0 */
	uint32_t size; /* bytes: of the symbol, type or member (an array: all of it), of the build ID; else 0 */
	uint32_t count;      /* elements of an array; 1 for what is none */
	uint16_t bit_offset; /* of a bit field, from the lowest bit of the byte at `value`; little endian */
	uint16_t bit_size;   /* 0: no bit field */
};

/* Offsets and sizes beyond these are taken for damage: in DWARF, and in a file of answers. Bytes. */
enum { LAYOUT_OFFSET_MAX = 1 << 20, LAYOUT_SIZE_MAX = 1 << 24 };

/*
 * Answers n questions about the ELF file. ERR_BAD_DATA if it is broken or has no debug information, which the message
 * says, ERR_NOT_FOUND if it has no symbols.
 */
struct err *layout_resolve(const char *path, const struct layout_question *questions, size_t n,
			   struct layout_answer *ret) err_must_check;

/* The answers as the text that is kept; the caller frees it. build_id: hexadecimal. */
char *layout_format(const char *build_id, const struct layout_question *questions, size_t n,
		    const struct layout_answer *answers);

/*
 * The text understood. Pure. ERR_BAD_DATA if it is damaged, of another build ID or of another version of this program, or
 * if it doesn't answer all the questions.
 */
struct err *layout_parse(const char *text, size_t len, const char *build_id, const struct layout_question *questions,
			 size_t n, struct layout_answer *ret) err_must_check;

/*
 * Both: from the cache, else from vmlinux, whose build ID must be build_id, and then into the cache. vmlinux may be NULL
 * (not known), which is an error only if it is needed. A cache that can't be written is no error.
 */
struct err *layout_load(const char *build_id, const char *vmlinux, const struct layout_question *questions, size_t n,
			struct layout_answer *ret) err_must_check;
