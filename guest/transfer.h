/*
 * Files and folders over a stream of bytes: what ktb push and ktb pull send, and how it is written down at the other end.
 * Used by both sides: the agent's workers, and src/cmd/transfer.c. Either may be hostile to the other.
 *
 * The stream is made of frames as in frame.h, with channel 0. A file is FILE, DATA as often as it takes, FILE_END; a
 * folder is FOLDER, what is in it, LEAVE. DONE is the last one: without it something is missing. Ownership is not kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame.h"

/*
 * The agent's own commands (KTB_OPEN_BUILTIN): "send" PATH..., "receive" DEST, or "receive-into" FOLDER; and "load"
 * PARAMETERS, which inserts a kernel module that comes as it is (its exit status is the errno).
 */
#define KTB_SEND "send"
#define KTB_RECEIVE "receive"
#define KTB_RECEIVE_INTO "receive-into"
#define KTB_LOAD "load"

enum transfer_type {
	/* u32 mode (07777), i64 mtime in s, u32 and ns, u64 size as far as it is known, the name. */
	TRANSFER_FILE = 1,
	/* The same; the size is 0. */
	TRANSFER_FOLDER = 2,
	/* The same; behind the name a zero byte and where the link leads to. */
	TRANSFER_LINK = 3,
	TRANSFER_DATA = 4,
	/* u32: 0, or the errno with which reading it failed: then there is no such file. */
	TRANSFER_FILE_END = 5,
	TRANSFER_LEAVE = 6,
	TRANSFER_DONE = 7,
};

enum {
	TRANSFER_DATA_MAX = 60 * 1024,
	/* Folders inside of each other. */
	TRANSFER_DEPTH_MAX = 128,
	TRANSFER_NAME_MAX = 255,
};

struct transfer_entry {
	uint32_t mode;
	int64_t mtime;
	uint32_t mtime_ns;
	uint64_t size;
	char name[TRANSFER_NAME_MAX + 1];
	/* TRANSFER_LINK */
	char target[4096];
};

/*
 * FILE, FOLDER and LINK. False if it can't be one: too short, or a name that is none: empty, ".", "..", with a slash or a
 * zero byte in it, or longer than a name may be.
 */
bool transfer_get_entry(const struct frame *f, struct transfer_entry *ret);

/*
 * True if a link that lies `depth` folders below the top of what is moved leads to something below that top, going by
 * its text alone.
 */
bool transfer_link_is_inside(const char *target, size_t depth);

/* What a path's copy is called: its last part, without slashes behind it. False if that is no name, as of "..". */
bool transfer_last_part(const char *path, char ret[static TRANSFER_NAME_MAX + 1]);

struct transfer_callbacks {
	/* Something went wrong; one line without a newline. */
	void (*report)(const char *text, void *user);
	/* Bytes so far, and the file that they are of; may be NULL. */
	void (*progress)(uint64_t bytes, const char *name, uint64_t size, void *user);
	void *user;
};

/* Writes the stream for these files and folders to out_fd. False if something was left out, or if out_fd failed. */
bool transfer_send(int out_fd, char *const *paths, size_t paths_n, const struct transfer_callbacks *callbacks);

struct transfer_receive {
	int in_fd;
	/* A folder that is there, to put things into; or what the one thing is to be called. */
	const char *dest;
	/* It has to be a folder. */
	bool into;
	/* What was asked for, by name and in this order; others are refused. NULL: whatever comes. */
	const char *const *names;
	size_t names_n;
	/* Of the mode's bits. */
	uint32_t mode_mask;
	/* Links that lead outside of what is received are left out, and that is reported. */
	bool contain_links;
};

/*
 * Writes down what in_fd brings. A file is there when it is complete: it is made under another name. False if anything is
 * missing.
 */
bool transfer_receive(const struct transfer_receive *receive, const struct transfer_callbacks *callbacks);
