/*
 * A value read out of a kernel's memory, part by part, ready to be shown: as text, or as JSON. How much that can be at most
 * is in kernel/limits.h.
 */
#pragma once

#include "base/buf.h"
#include "kernel/value.h"

enum shown_kind {
	SHOWN_UNSIGNED, /* number */
	SHOWN_SIGNED,
	SHOWN_BYTE, /* unsigned, an element of an array of bytes */
	SHOWN_BOOL,
	SHOWN_CHAR,
	SHOWN_ENUM,    /* number, and text: its name, or NULL */
	SHOWN_POINTER, /* number; symbol: where it leads; text: what it points at is text */
	SHOWN_TEXT,    /* text */
	SHOWN_STRUCT,  /* items */
	SHOWN_ARRAY,   /* items */
	SHOWN_CUT,     /* not looked at: too deep, or too much */
	SHOWN_FAULT,   /* not readable */
	SHOWN_NOTHING, /* of a type that has no value, or none that is known */
};

struct shown {
	enum shown_kind kind;
	char *name; /* of a member; NULL: none */
	char *type; /* as C writes it */
	uint64_t number;
	char *text;
	char *symbol;
	bool text_cut; /* there is more of it */
	bool is_empty; /* a struct list_head that leads to itself */
	struct shown *items;
	size_t n;
	uint64_t repeats; /* elements that are alike, this one included */
	uint64_t more;    /* elements behind the last one */
};

struct shown_options {
	unsigned int depth; /* so many structs within each other are opened */
};

/* Reads a value. *ret_complete says whether all of it is there; *ret is released by shown_deinit(). */
void shown_read(const struct value_context *c, const struct value *v, const struct shown_options *o, struct shown *ret,
		bool *ret_complete);
void shown_deinit(struct shown *s);
DEFINE_CLEANUP_STORAGE(struct shown, shown_deinit);

/* As C would write it, with the type in front; several lines, the last one without a newline. Pure. */
void shown_format(const struct shown *s, struct buf *ret);

struct json_object;
/*
 * As JSON: objects, arrays, numbers, text; pointers as text in hexadecimal; null for what could not be read or was not
 * looked at. The caller owns it. Pure.
 */
struct json_object *shown_json(const struct shown *s);
