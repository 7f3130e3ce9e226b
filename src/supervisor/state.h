/*
 * What the supervisor's own files share: the state of one VM, and who does what with it. supervisor.c puts the parts together
 * and answers requests; lifecycle.c decides how the VM ends, resets and goes on.
 */
#pragma once

#include "base/process.h"
#include "base/stream.h"
#include "supervisor/agentport.h"
#include "supervisor/console.h"
#include "supervisor/control.h"
#include "supervisor/line.h"
#include "supervisor/supervisor.h"
#include "vm/panic.h"
#include "vm/qemu.h"
#include "vm/qmp.h"

enum outcome {
	OUTCOME_NONE,
	OUTCOME_POWEROFF,
	OUTCOME_ENDED, /* by the user: a key, ktb stop, the debugger, the monitor */
	OUTCOME_SIGNAL,
	OUTCOME_BROKEN, /* QEMU died, or can't go on */
	OUTCOME_TRY_TCG,
};

struct supervisor {
	const struct supervisor_params *params;
	struct vm_params vm; /* with the accelerator in use */
	struct loop *loop;
	struct console *console;
	struct control *control;
	struct debugport *debugport;
	struct debugport_callbacks debugport_callbacks;
	int stub_fd;
	struct line *line;                 /* with KGDB; else NULL */
	struct stream *kgdb_out, *kgdb_in; /* its own line, if it has one */
	struct agentport *agentport;

	struct qemu qemu;
	struct qmp *qmp;
	struct handout *handouts; /* answers of QEMU's that clients wait for */
	struct stream *init;      /* init's port */
	struct stream *messages;  /* QEMU's stderr */
	struct buf last_words;
	struct loop_source *ended;
	struct loop_source *timer;
	struct loop_source *stop_timer; /* the guest was asked to power off */

	bool started;      /* QEMU has answered */
	bool init_up;      /* init has opened its port */
	bool was_up;       /* ... at some time since the last reset */
	bool agent_up;     /* the agent has opened its port */
	bool agent_wanted; /* asked for, and has not opened it since */
	bool running;      /* the CPUs run */
	bool panicked;     /* since the last reset */
	bool ever_panicked;
	bool resetting;
	unsigned int holders; /* connections that want it to stand still */
	bool held;            /* stopped for them */
	uint64_t began;       /* when the guest did, with its CPUs at reset; ns */
	bool dumping;         /* QEMU dumps the guest's memory, and doesn't let it go on meanwhile */
	char *dump_error;     /* what the last dump failed at; NULL: nothing */
	unsigned int early_resets;
	uint64_t resets;     /* all of them */
	uint16_t rows, cols; /* 0: not known */
	struct panic_watch panic;
	const char *status; /* as control answers it */

	enum outcome outcome;
	int signal_number;
};

/* --- lifecycle.c --- */

/* Nothing has happened yet to a QEMU that was just started. */
void lifecycle_begin(struct supervisor *s);

/* What QEMU says: the qmp_create() callback. */
struct err *lifecycle_event(const char *event, struct json_object *data, void *user) err_must_check;

/* Decides how it ended, unless that is decided already, and has QEMU quit. */
void lifecycle_end(struct supervisor *s, enum outcome outcome);

/* Asks the guest to power off, and ends it if it doesn't; at once where there is nobody to ask. */
void lifecycle_stop(struct supervisor *s);

/* Somebody wants to look at a guest that doesn't move: it is stopped if it runs. */
void lifecycle_hold(struct supervisor *s);
/* Lets it go on, if it was stopped for somebody and nobody wants that any more. */
void lifecycle_go_on(struct supervisor *s);
/* The control_released callback: it goes on, unless there is by now another reason for it to stand still. */
void lifecycle_release(void *user);

/* The one timer, in place of one that runs: cb after ms, or usual_ms if that is 0. cb has to forget it. */
void lifecycle_start_timer(struct supervisor *s, unsigned int ms, unsigned int usual_ms, loop_callback cb);

/* The timer callback for a QEMU that does not do in time what it was asked for. */
struct err *lifecycle_kill_qemu(struct loop_source *source, int fd, short revents, void *user) err_must_check;

/* --- supervisor.c --- */

/* Sends a frame to init, if it is up. */
void supervisor_send_frame(struct supervisor *s, const uint8_t *frame, size_t len);
/* Sends init the window's size, if both are known. */
void supervisor_send_size(struct supervisor *s);
/* Has init start the agent, if it doesn't run: now, or when init is up. */
void supervisor_want_agent(struct supervisor *s);

/* --- kgdbline.c --- */

/* A debugger is to speak with the kernel's own stub. */
void kgdbline_create(struct supervisor *s);
/* A QEMU has started, or is gone. */
void kgdbline_attach(struct supervisor *s);
void kgdbline_detach(struct supervisor *s);
/* What came over the console's line. */
void kgdbline_feed(struct supervisor *s, const char *bytes, size_t len);
/* A server process's end of the line, for debugport.h; user is the supervisor. */
int kgdbline_share(void *user);

/* --- handout.c --- */

/*
 * What QEMU's monitor prints of a vCPU's registers: *ret is a pipe that it will come from, and that then ends. The caller
 * closes it. ERR_NOT_FOUND if there is no such vCPU.
 */
struct err *handout_registers(struct supervisor *s, unsigned int cpu, int *ret) err_must_check;
/* Has QEMU dump the memory: *ret is a pipe from which it comes. The caller closes it. */
struct err *handout_dump(struct supervisor *s, int *ret) err_must_check;
/* The dump has ended (the event DUMP_COMPLETED), if it was ours. */
void handout_dump_ended(struct supervisor *s, struct json_object *data);
/* How far it is: *ret is a pipe as above. What the last one failed at is the error. */
struct err *handout_dump_state(struct supervisor *s, int *ret) err_must_check;
/* QEMU has gone: what it has not answered ends empty. */
void handout_drop_all(struct supervisor *s);
