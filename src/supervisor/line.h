/*
 * The serial line, while a debugger shares it with the console: what the guest writes goes to the server process of that
 * debugger, which tells of each byte whether it was the console's, and the server process writes to the guest. The supervisor
 * keeps the bytes until that is told; so it understands nothing of what a guest writes, and nothing is lost with a server
 * process that dies: what it has not told of is the console's.
 *
 * Without a server process all is the console's, at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"

/* --- What the server process says, on the socket on which it gets the guest's bytes --- */

enum line_word {
	LINE_TEXT,   /* the next `size` bytes of what came were the console's */
	LINE_PACKET, /* ... were the debugger's */
	LINE_WRITE,  /* `size` bytes for the guest, which follow */
	LINE_BREAK,  /* a BREAK, and `size` bytes behind it, which follow */
	LINE_STANDS, /* the kernel stands still, and can't read what is typed: it is kept */
	LINE_RUNS,   /* it goes on */
	LINE_WORDS_N,
};

struct line_message {
	enum line_word word;
	uint32_t size;
	const char *bytes; /* of those that follow; in the buffer */
};

enum { LINE_MESSAGE_MAX = 1 << 16 /* bytes that follow */ };

void line_put(struct buf *b, enum line_word word, const void *bytes, size_t size);

enum line_parsed {
	LINE_WHOLE,
	LINE_PART, /* there is more to come */
	LINE_BAD,
};

/* Understands what is at the start of the bytes; *ret_len of them. Pure. */
enum line_parsed line_parse(const char *bytes, size_t len, struct line_message *ret, size_t *ret_len);

/* --- The supervisor's end --- */

struct line_callbacks {
	/* What the guest wrote to its console. */
	void (*text)(const char *bytes, size_t len, void *user);
	/* behind_break: these are what a BREAK was sent for, and go the same way. */
	void (*write)(const char *bytes, size_t len, bool behind_break, void *user);
	/*
	 * A BREAK, which is to be followed by line_break_done() once it is sent. NULL: there is no way to send one, and the bytes
	 * behind it go alone.
	 */
	void (*send_break)(void *user);
	/* The kernel stands still, or goes on, or nobody knows any more. */
	void (*stands)(bool stands, void *user);
	/* The server process makes no sense, or doesn't keep up: it is to be ended. */
	void (*broken)(void *user);
};

struct line;

/* callbacks must outlive it. */
struct line *line_create(struct loop *loop, const struct line_callbacks *callbacks, void *user);
void line_destroy(struct line *l);
DEFINE_CLEANUP(struct line *, line_destroy);

/* A server process shares it from now on, which has the other end, *ret. */
struct err *line_share(struct line *l, int *ret) err_must_check;
/* It doesn't any more. What is not clear yet is the console's. */
void line_unshare(struct line *l);
/* What was written to it goes no further: the guest begins anew, or is gone. The server process reads the end of it. */
void line_hang_up(struct line *l);
bool line_is_shared(const struct line *l);
/* Whether the kernel stood still by what a server process said last, be it there or not. */
bool line_stood(const struct line *l);
/* Heeds what the server process has said that is still on its way: for who hears first that it has ended. */
void line_catch_up(struct line *l);

/* The guest has written this. */
void line_feed(struct line *l, const char *bytes, size_t len);
void line_break_done(struct line *l);
