/*
 * Expressions (kernel/expr.h) understood by what debug information says, in a kernel that was found: which type a value
 * has, and where it is. Pointers on the way are read, nothing else.
 */
#pragma once

#include "debuginfo/program.h"
#include "kernel/expr.h"
#include "kernel/kernel.h"

struct value {
	struct ctype type;
	bool untyped;                      /* a bare number, as it was written; type is not set */
	bool in_memory;                    /* at `address`; else it is `number` */
	uint64_t address;                  /* in the guest, virtual */
	unsigned int bit_offset, bit_size; /* as in struct ctype_member */
	uint64_t number;
};

struct value_context {
	const struct kernel *kernel;
	struct program *program;
	struct strv *notes; /* what the user should know, such as a choice that was made; may be NULL */
};

/* Whether the expression begins with a per-CPU variable, and doesn't say of which CPU. */
struct err *value_needs_cpu(const struct value_context *c, const struct expr *e, bool *ret) err_must_check;

/*
 * Goes the expression's steps. cpu: of which CPU a per-CPU variable is meant where the expression doesn't say. ERR_NOT_FOUND
 * for a name that doesn't exist, ERR_USAGE for a step that can't be made, ERR_FAULT for a pointer that leads nowhere; the
 * message has the part of the expression.
 */
struct err *value_find(const struct value_context *c, const struct expr *e, uint64_t cpu, struct value *ret)
	err_must_check;

/* What is at the address that v is (a number, a pointer or an array), as a value of that type. Errors as above. */
struct err *value_as(const struct value_context *c, const struct expr *e, const struct value *v,
		     const struct expr_type *type, struct value *ret) err_must_check;

/* ERR_FAULT if v is at a place where nothing is. */
struct err *value_check(const struct value_context *c, const struct expr *e, const struct value *v) err_must_check;

/* The number that a scalar is: two's complement, signs extended. info: of its type. False if it can't be read. */
bool value_number(const struct kernel *k, const struct value *v, const struct ctype_info *info, uint64_t *ret);
