/*
 * A command that the agent runs: its processes, its streams, and what is to be told of it. No reading and writing of the
 * port here.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame.h"

/* What goes one way: from a pipe or terminal to the host. */
struct outlet {
	/* -1: at its end. */
	int fd;
	uint32_t credit;
	/* poll() said that there is something. */
	bool ready;
};

struct session {
	struct session *next;
	/* 0: the host has heard the last of it, and processes may be left to be waited for. */
	uint16_t channel;
	/* Leads a process group; 0: ended, or never was. */
	pid_t pid;
	/* As of waitpid(). */
	int status;
	/* Why it could not be started: an errno, and at what. */
	int failure;
	char failed_at[256];
	/* When those who don't hear SIGHUP are killed; 0: not. */
	int64_t kill_at_ms;

	/* Standard input: -1 when it is closed. What is in the ring waits to be written. */
	int in;
	bool in_eof;
	size_t in_start, in_fill;
	/* What the host may send still, and what it may be told that it may send more. */
	uint32_t in_credit, in_return;
	struct outlet out, err;
	bool tty;

	/* What it takes to begin; NULL: it has begun, or never will. */
	struct beginning *beginning;
	bool opened_due, pong_due, closed_due;
	uint8_t ring[KTB_AGENT_WINDOW];
};

/*
 * A command that begins when session_begin() says so. NULL only when memory is out: what can't be started ends with
 * KTB_END_FAILED.
 */
struct session *session_open(uint16_t channel, const struct frame_open *open);
/*
 * Starts the command, if OPENED was made and it hasn't begun yet: to be called when all that was made has been written.
 * True: there may be something new to tell.
 */
bool session_begin(struct session *s);
/* Closes the streams, hangs the processes up. The session is there until session_is_over(). */
void session_hang_up(struct session *s);
/* Closes what is left, and frees. */
void session_destroy(struct session *s);

/* One frame of the host's on its channel. False: against the rules. */
bool session_take(struct session *s, const struct frame *f);

enum { SESSION_POLLFDS = 3 };
/* What to wait for: SESSION_POLLFDS entries; may_send: there is room for a frame. And what came of it. */
void session_poll(const struct session *s, bool may_send, struct pollfd fds[static SESSION_POLLFDS]);
void session_polled(struct session *s, const struct pollfd fds[static SESSION_POLLFDS]);

/* What a frame to the host may take at most. */
enum { SESSION_FRAME_MAX = KTB_FRAME_HEADER + KTB_AGENT_DATA_MAX };
/* Writes the next frame that can go out. Returns its size, 0: none just now. */
size_t session_next_frame(struct session *s, uint8_t buf[static SESSION_FRAME_MAX]);

/* Its process has ended. */
void session_reaped(struct session *s, int status);
/* Nothing more is to be told or waited for. */
bool session_is_over(const struct session *s);
