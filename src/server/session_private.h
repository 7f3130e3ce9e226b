/*
 * What the files of a session share. session.c has the loop and what happens at a stop; packets.c the table of packets, and each
 * of the others the packets of a subject.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "rsp/payload.h"
#include "server/breakpoints.h"
#include "server/session.h"

enum {
	SESSION_PACKET_MAX = 0x20000, /* bytes of a payload, either way */
	SESSION_CONSOLE_MAX = 1 << 16,
	SIGNAL_INT = 2, /* as GDB numbers them */
	SIGNAL_TRAP = 5,
	SIGNAL_KILL = 9,
	SIGNAL_STOP = 17,
};

/* What the client has asked for by its last packet that lets the machine go on. */
struct wish {
	uint32_t step; /* 0: continue */
	bool others;   /* with step: the others run meanwhile, */
	uint64_t from; /* and here it is to take its step, if that is known: */
	bool has_from;
	uint32_t only; /* without step: no other runs; 0: all do */
	bool range;    /* with step: until it is outside of this */
	uint64_t start, end;
};

enum stop_reason {
	STOP_PLAIN,
	STOP_BREAKPOINT,
	STOP_WATCH,
	STOP_LIBRARIES,
};

/* What the client was told last, or is about to be. */
struct stop {
	uint32_t thread;
	unsigned int signo;
	enum stop_reason reason;
	enum target_break kind; /* of the breakpoint or watchpoint */
	uint64_t address;       /* that is watched */
};

/* See impatience.c. */
struct impatience {
	uint64_t address;
	uint64_t since_ns; /* when it was last told of a stop there; 0: it was told of something else since */
	unsigned int times;
	bool told;
};

/* Of objects that are read in pieces, the one that was last begun. */
struct xfer_cache {
	char *key;
	struct buf data;
};

struct session {
	struct target *target;
	struct rsp_conn *conn;
	const struct session_params *params;
	int client_fd, word_fd;

	/* Of the client, by its qSupported. */
	bool knows_swbreak, knows_hwbreak, knows_error_text, is_gdb;
	bool is_lldb; /* by a question that only LLDB has */

	bool waits;        /* the client: for a stop reply */
	bool runs;         /* the machine */
	bool held;         /* until word_fd says that it may go on */
	bool interrupting; /* the client has asked for a stop, and has not got one yet */
	bool quiet;        /* the packet at hand is not answered now */
	bool over;         /* there is nothing left to serve */
	bool parts;        /* the client has detached while the machine was held */
	bool let_go;       /* the client has detached or killed it: nothing is to be tidied up */
	struct err *why;   /* why it is over, if that is an error */

	struct wish wish;
	struct stop stop;
	uint32_t passed; /* is at a breakpoint whose commands were run, and goes past it when all run; 0: none */
	uint32_t thread; /* that g, m and their like are about */
	uint32_t resumed_thread; /* that s is about, by Hc; 0: the one that stopped */

	struct breakpoints breakpoints;
	struct impatience impatience;
	struct buf reply;
	struct buf packet;  /* to the client, out of turn */
	struct buf scratch; /* of who needs it, not across calls */
	struct buf console; /* what is to be said at the next opportunity */
	struct buf queue;   /* packets that came too early: each a size_t and so many bytes */
	size_t queue_taken;
	struct target_threads threads; /* of qfThreadInfo */
	size_t threads_told, variables_told;
	struct xfer_cache xfer;
};

struct session *session_create(int client_fd, int word_fd, struct target *t, const struct session_params *params);
void session_destroy(struct session *s);
DEFINE_CLEANUP(struct session *, session_destroy);

/* Waits for something to happen, at most so long (-1: for ever), and does what is to be done about it. False: it is over. */
bool session_turn(struct session *s, int timeout_ms);
/* Leaves the machine as it should be. Also when it is over. */
struct err *session_finish(struct session *s) err_must_check;

/*
 * Text for the user, which is kept until the client can take it: while it waits for a stop or for the end of a command. What is
 * too much is lost.
 */
void session_say(struct session *s, const char *text, size_t len);
void session_say_line(struct session *s, const char *line);
/* Shows what was kept, and text. Only while the client can take it. */
void session_show_pending(struct session *s);
void session_show(struct session *s, const char *text, size_t len);
/* The target is gone, or can't be understood any more: tells the client, and it is over. Takes e. */
void session_target_gone(struct session *s, struct err *e);

/* The machine goes on, without what the client has planted; the session is over. Nothing holds it. */
struct err *session_detach(struct session *s) err_must_check;

/* See session_params. */
static inline void session_is_to_run(const struct session *s, bool run)
{
	if (s->params->to_run)
		*s->params->to_run = run;
}

/* Whether something could be had that can be done without. A target that is gone is noticed when it is to go on. */
static inline bool had(struct err *e)
{
	bool good = !e;

	err_ignore(e);
	return good;
}

/* --- run.c --- */

/* Lets the machine go on, once nothing holds it, as the client wished. signo: for it; 0: none. over: see target_resume. */
struct err *run_go(struct session *s, unsigned int signo, uint32_t over) err_must_check;

/* --- impatience.c --- */

/* The client is about to be told of a stop; bp: the breakpoint that it is for, or NULL. */
void impatience_stopped(struct session *s, const struct breakpoint *bp);
/* It lets the machine go on. What is to be said about that is. */
void impatience_goes_on(struct session *s);

/* --- stop.c --- */

/* Takes what the target tells: either the machine goes on without a word, or the client gets its stop reply. */
void stop_take_event(struct session *s, const struct target_event *event);
/* Tells the client of s->stop. */
void stop_report(struct session *s);
/* Appends the stop reply for what happened to a thread. */
void stop_put_reply(struct session *s, const struct stop *stop, struct buf *b);

/* --- packets.c --- */

/* Does what a packet says, and answers it. */
void packets_take(struct session *s, struct rsp_reader packet);

/*
 * What does a packet's work: args is what is behind its name. The reply is s->reply; an empty one says that the packet is not
 * known here. An error becomes one in the reply, in one place.
 */
typedef struct err *(*packet_handler)(struct session *s, struct rsp_reader args);

struct packet_type {
	const char *name;
	packet_handler handler;
	unsigned int flags;
};

enum {
	PACKET_WHOLE = 1, /* nothing follows the name */
	PACKET_TEXT = 2,  /* every GDB takes E.TEXT for an error here, not only one that says that it knows such */
};

/* The tables of the files; each ends with a NULL. */
extern const struct packet_type packets_of_memory[], packets_of_running[], packets_of_breakpoints[],
	packets_of_queries[], packets_of_objects[];

struct err *packet_malformed(void) err_must_check;
struct err *packet_ok(struct session *s) err_must_check;
/* The thread that an id in a packet means: RSP_ANY and RSP_ALL are the one that is looked at. ERR_NOT_FOUND. */
struct err *packet_thread(struct session *s, struct rsp_thread id, uint32_t *ret) err_must_check;
