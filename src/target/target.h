/*
 * A target: a machine, as a debug server sees it. QEMU's stub is one, a core file would be another; what knows about Linux is
 * a target that is put on top of one and adds to what the one beneath can do.
 *
 * While the machine stands still, operations are calls that come back with an answer; each is bounded in time. Once it was let
 * go on by target_resume() nothing may be asked of it but target_interrupt(), until target_next_event() has told of a stop.
 *
 * Threads have numbers from 1 on. The first ones are the CPUs, which are the only ones that can run; what is above
 * TARGET_CPUS_MAX is for looking at only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	TARGET_CPUS_MAX = 4096,
	TARGET_REGISTERS_MAX = 8192, /* bytes: all of a thread's */
	TARGET_PACKET_MAX = 1 << 20, /* bytes that are read or written at a time */
};

/* Numbered as in Z packets (GDB manual, node Packets). */
enum target_break {
	TARGET_BREAK_SOFTWARE,
	TARGET_BREAK_HARDWARE,
	TARGET_WATCH_WRITE,
	TARGET_WATCH_READ,
	TARGET_WATCH_ACCESS,
	TARGET_BREAKS_N,
};

enum target_event_kind {
	TARGET_EVENT_NONE,
	TARGET_EVENT_STOP,
	TARGET_EVENT_EXITED, /* there is nothing left to debug */
};

enum target_reason {
	TARGET_REASON_SIGNAL,     /* a step is done, somebody interrupted, ... */
	TARGET_REASON_BREAKPOINT, /* the thread is at a breakpoint, which has not been executed */
	TARGET_REASON_WATCH,      /* `watch` and `address` say which */
	TARGET_REASON_LIBRARIES,  /* the list of target_libraries() is another one */
	TARGET_REASON_RESET,      /* the machine begins anew: what was planted in its memory is gone */
};

struct target_event {
	enum target_event_kind kind;
	enum target_reason reason;
	uint32_t thread;
	unsigned int signo;  /* as GDB numbers them (include/gdb/signals.def) */
	unsigned int status; /* with TARGET_EVENT_EXITED */
	enum target_break watch;
	uint64_t address;
	/* What the user should be told, a line without its end; NULL: nothing. In the event's memory. */
	char *message;
};

#define TARGET_EVENT_INIT                                                                                              \
	{                                                                                                              \
		.kind = TARGET_EVENT_NONE                                                                              \
	}

void target_event_deinit(struct target_event *e);
DEFINE_CLEANUP_STORAGE(struct target_event, target_event_deinit);

/* How it goes on. */
struct target_resume {
	uint32_t step;      /* this CPU executes one instruction; 0: none does */
	bool others;        /* with step: the other CPUs run meanwhile; without it all of them run */
	uint32_t only;      /* without step: this CPU runs, and no other; 0: all of them */
	unsigned int signo; /* 0: none */
	/* This CPU is at a breakpoint, and goes past it; 0: none does, so that one that is at a breakpoint hits it at once. */
	uint32_t over;
};

/* What a thread is, for a list. */
struct target_thread {
	uint32_t id;
	uint32_t core; /* the CPU it is on, from 0; UINT32_MAX: none */
	char name[64]; /* "CPU 0: bash/142" */
};

struct target_threads {
	struct target_thread *v;
	size_t n;
};

#define TARGET_THREADS_INIT                                                                                            \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

void target_threads_deinit(struct target_threads *t);
DEFINE_CLEANUP_STORAGE(struct target_threads, target_threads_deinit);
void target_threads_add(struct target_threads *t, const struct target_thread *thread);

/* Text for the user, in pieces. */
typedef void (*target_output)(const char *text, size_t len, void *user);

/* Variables that expressions can use, $NAME: what the thread is about. */
struct target_variable {
	unsigned int number; /* from 1 on */
	const char *name;    /* static */
};

struct target;

/*
 * What a target can do. An operation that is NULL is the one beneath's; where nobody has it, it fails as
 * ERR_UNSUPPORTED. Errors other than those named at the functions below: ERR_CLOSED, the stub is gone; ERR_TIMEOUT.
 */
struct target_ops {
	void (*destroy)(struct target *t);
	struct err *(*description)(struct target *t, const char *annex, struct buf *ret);
	struct err *(*threads)(struct target *t, struct target_threads *ret);
	bool (*has_thread)(struct target *t, uint32_t thread);
	uint32_t (*stopped_thread)(struct target *t);
	struct err *(*read_registers)(struct target *t, uint32_t thread, struct buf *ret);
	struct err *(*known_registers)(struct target *t, uint32_t thread, struct buf *ret);
	struct err *(*write_registers)(struct target *t, uint32_t thread, const void *bytes, size_t len);
	struct err *(*read_register)(struct target *t, uint32_t thread, unsigned int number, struct buf *ret);
	struct err *(*write_register)(struct target *t, uint32_t thread, unsigned int number, const void *bytes,
				      size_t len);
	struct err *(*program_counter)(struct target *t, uint32_t thread, uint64_t *ret);
	struct err *(*read_memory)(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
				   size_t *ret_len);
	struct err *(*write_memory)(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len);
	struct err *(*insert)(struct target *t, enum target_break kind, uint64_t address, uint64_t size);
	struct err *(*remove)(struct target *t, enum target_break kind, uint64_t address, uint64_t size);
	bool (*lost)(struct target *t, enum target_break kind, uint64_t address, uint64_t size);
	struct err *(*resume)(struct target *t, const struct target_resume *how);
	struct err *(*interrupt)(struct target *t);
	int (*fd)(struct target *t);
	int (*timeout_ms)(struct target *t);
	struct err *(*next_event)(struct target *t, struct target_event *ret);
	struct err *(*monitor)(struct target *t, uint32_t thread, const char *line, target_output output, void *user);
	struct err *(*libraries)(struct target *t, bool placed, struct buf *ret);
	struct err *(*exec_file)(struct target *t, struct buf *ret);
	struct err *(*offsets)(struct target *t, uint64_t *ret_first, uint64_t *ret_slide);
	const struct target_variable *(*variables)(struct target *t, size_t *ret_n);
	struct err *(*variable)(struct target *t, uint32_t thread, unsigned int number, int64_t *ret);
	struct err *(*query)(struct target *t, const char *packet, size_t len, struct buf *ret);
	const unsigned int *(*expedited)(struct target *t, size_t *ret_n);
	struct err *(*detach)(struct target *t);
	struct err *(*leave)(struct target *t);
	struct err *(*kill)(struct target *t);
	bool (*is_resetting)(struct target *t);
	void (*reset_done)(struct target *t);
};

/* To be the first member of a target of one's own. */
struct target {
	const struct target_ops *ops;
	struct target *beneath; /* NULL: none. Owned. */
};

/* Ends it and all beneath. The machine stays as it is. */
void target_destroy(struct target *t);
DEFINE_CLEANUP(struct target *, target_destroy);

/*
 * What registers there are, as XML (GDB manual, appendix Target Descriptions): annex "target.xml", and what that includes.
 * ERR_NOT_FOUND if there is no such annex.
 */
struct err *target_description(struct target *t, const char *annex, struct buf *ret) err_must_check;

/* Appends to ret. The CPUs come first, in order. */
struct err *target_threads(struct target *t, struct target_threads *ret) err_must_check;
bool target_has_thread(struct target *t, uint32_t thread);
/* The one that is at the stop at which a session begins; 0: there is none such. */
uint32_t target_stopped_thread(struct target *t);

/*
 * All registers of a thread, or the one of that number, as the description has them, in the target's byte order. What is not
 * known is left out at the end, or is 0, and target_known_registers() says so; the one that is asked for alone has no bytes
 * then. ERR_UNSUPPORTED: that thread's can't be written; the message says why. ERR_NOT_FOUND: no such thread, or register.
 */
struct err *target_read_registers(struct target *t, uint32_t thread, struct buf *ret) err_must_check;
struct err *target_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len) err_must_check;
struct err *target_read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
	err_must_check;
struct err *target_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes, size_t len)
	err_must_check;
struct err *target_program_counter(struct target *t, uint32_t thread, uint64_t *ret) err_must_check;
/*
 * Which of the bytes that target_read_registers() has of the thread are known: appends a 1 or a 0 for each of them, or
 * nothing if all of them are.
 */
struct err *target_known_registers(struct target *t, uint32_t thread, struct buf *ret) err_must_check;

/* Numbers of those that a debugger wants to know at each stop. *ret_n of them; static. */
const unsigned int *target_expedited(struct target *t, size_t *ret_n);

/*
 * Virtual memory as the thread sees it. Of reading *ret_len, at least 1, says how much there was; ERR_FAULT if
 * nothing. Breakpoints that are planted in it don't show.
 */
struct err *target_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			       size_t *ret_len) err_must_check;
struct err *target_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
	err_must_check;

/*
 * Breakpoints and watchpoints. One that is inserted twice has to be removed twice. size: of the instruction, in bytes as the
 * client says them (1 on x86), or of the memory that is watched. ERR_FAULT: it can't be planted there; ERR_UNSUPPORTED.
 */
struct err *target_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *target_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
/*
 * Whether a breakpoint that was inserted is there no more, with what it was in; it counts as removed then. To be asked of each
 * at TARGET_REASON_LIBRARIES: GDB forgets those in what was unloaded without a packet.
 */
bool target_lost(struct target *t, enum target_break kind, uint64_t address, uint64_t size);

/* Lets it go on. Comes back at once. */
struct err *target_resume(struct target *t, const struct target_resume *how) err_must_check;
/* Has it stop, soon; nothing if it stands still. */
struct err *target_interrupt(struct target *t) err_must_check;
/* To be polled for reading: then there may be an event. */
int target_fd(struct target *t);
/* After so many ms without anything to read target_next_event() wants to be called, too; -1: never. */
int target_timeout_ms(struct target *t);
/* Doesn't wait. Also without an event after target_fd() was readable. */
struct err *target_next_event(struct target *t, struct target_event *ret) err_must_check;

/*
 * A line that the user wrote behind `monitor`. thread is the one that is looked at. ERR_USAGE: what is wrong with it, for
 * the user.
 */
struct err *target_monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
	err_must_check;

/*
 * What is loaded besides the main file: GDB's manual, node Library List Format. placed: for a client that takes one address of
 * each (LLDB), so that of files that would need more copies are listed in which each section has its address.
 * It has to ask twice at each event: the first list may have only what stays.
 * ERR_UNSUPPORTED: that is not known.
 */
struct err *target_libraries(struct target *t, bool placed, struct buf *ret) err_must_check;
/* The path of the main file. */
struct err *target_exec_file(struct target *t, struct buf *ret) err_must_check;
/*
 * Where the main file's first segment lies, and how far that is from where it was linked to. ERR_NOT_FOUND: it is there, or
 * that isn't known (yet).
 */
struct err *target_offsets(struct target *t, uint64_t *ret_first, uint64_t *ret_slide) err_must_check;

/* *ret_n of them; static. */
const struct target_variable *target_variables(struct target *t, size_t *ret_n);
struct err *target_variable(struct target *t, uint32_t thread, unsigned int number, int64_t *ret) err_must_check;

/* A packet of the target's own (qqemu.sstep, say) and its answer. ERR_UNSUPPORTED: it knows none such. */
struct err *target_query(struct target *t, const char *packet, size_t len, struct buf *ret) err_must_check;

/* It goes on, without breakpoints, and nobody debugs it any more. */
struct err *target_detach(struct target *t) err_must_check;
/* The same, but it stands still until somebody lets it go on. */
struct err *target_leave(struct target *t) err_must_check;
struct err *target_kill(struct target *t) err_must_check;

/*
 * The last target_monitor() has the machine begin anew, as TARGET_REASON_RESET would have said: it can't be resumed before
 * target_reset_done(), and is at its beginning then.
 */
bool target_is_resetting(struct target *t);
/* What had to be done outside about TARGET_REASON_RESET is done: from now on it can be resumed. */
void target_reset_done(struct target *t);
