/*
 * Places in code as the kernel prints them: "do_sys_open+0x12/0x80 [fat]", in an oops, a stack trace or a report. Pure.
 * Source: lib/vsprintf.c (%pS, %pB) and kernel/kallsyms.c of the kernel; with CONFIG_STACKTRACE_BUILD_ID, there is a build ID
 * behind the module's name. Older kernels print an address in front: "[<ffffffff81234567>]".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLACE_NAME_MAX = 511, PLACE_MODULE_MAX = 63 };

struct place_text {
	size_t begin, end;                 /* of it, in the text */
	char name[PLACE_NAME_MAX + 1];     /* of the symbol; "": an address */
	uint64_t offset;                   /* from the symbol on; or the address */
	uint64_t size;                     /* of the symbol, as the kernel counts it; 0: it isn't there */
	char module[PLACE_MODULE_MAX + 1]; /* "": none */
	/* Where a call returns to, as all are but where the CPU was. */
	bool is_return;
};

/*
 * The whole text as one place: a symbol with or without an offset, decimal or hexadecimal, or an address: with 0x, or of 16
 * digits, and what is to be added to it. False if it is none.
 */
bool place_text_parse(const char *text, struct place_text *ret);

/*
 * The next place in a line of len bytes, from *at on, which is moved behind it. Addresses count if they are the kernel's and
 * there is no symbol in the line. False: there is none any more.
 */
bool place_text_next(const char *line, size_t len, size_t *at, struct place_text *ret);
