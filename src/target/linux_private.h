/*
 * What the files of the Linux target share. linux.c finds the kernel and puts the parts together; linux_run.c sees how the
 * machine stops and goes on; each of the others is about one thing that is added.
 */
#pragma once

#include "target/breaks.h"
#include "target/linux.h"

enum { LINUX_HOOKS_MAX = 32 };

struct linux_modules;
struct linux_oops;
struct linux_tasks;

struct linux_target {
	struct target target;
	struct linux_params params;
	char *build_id, *vmlinux;
	struct layout_answer facts[KERNEL_FACTS_N];
	bool has_facts, no_facts; /* asked for; asked for in vain */
	bool gone_without;        /* distant memory is another kernel's */
	struct kernel *kernel;    /* NULL: not found (yet) */
	char *told;               /* the last message that was given, so that it is given once */
	char *note;               /* for the client, with the next stop; NULL: none */
	bool was_reset;           /* memory may show what was there before, */
	bool resetting;           /* and so do the CPUs, until the machine goes on */
	uint64_t slide;           /* as the client knows it */

	/* Finding it while the machine runs: when to look next, and how long to wait then. */
	uint64_t look_ns;
	unsigned int look_ms;

	/* The Linux target's own breakpoints (linux_hooks.h): where each is planted; 0: it isn't. */
	uint64_t hooks[LINUX_HOOKS_MAX];
	bool hooked;
	struct breaks client; /* the client's; those that it lost are not planted */

	/* How the machine runs (linux_run.c). */
	bool runs;
	struct target_resume how; /* what the client wanted */
	uint64_t step_pc;         /* where the CPU was that takes a step */
	bool interrupts;          /* the Linux target wants it to stop, */
	bool client_interrupts;   /* or the client does */
	uint32_t thread;          /* that stopped last */
	struct target_event next; /* what the client is told of as soon as it asks: it has resumed */
	struct target_event held; /* what it is told of when it resumes the next time */

	struct linux_modules *modules; /* linux_modules.c */
	struct linux_tasks *tasks;     /* linux_tasks.c */
	struct linux_oops *oops;       /* linux_oops.c */
};

static inline struct linux_target *linux_target(struct target *t)
{
	return (struct linux_target *)t;
}

/*
 * The kernel, if it has come so far that it can be found; NULL: it hasn't. What is to be said about that is said once. The
 * machine stands still.
 */
struct kernel *linux_kernel(struct linux_target *l);
/* Whether it seems to be there, in the memory of a machine that runs. */
bool linux_kernel_appears(struct linux_target *l);
/* The machine has begun anew, or the client is gone: nothing is known any more of the kernel. The machine stands still. */
void linux_forget(struct linux_target *l);
/* The machine begins anew. */
void linux_see_reset(struct linux_target *l);

/* Operations of linux_run.c; see target.h. */
struct err *linux_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *linux_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
bool linux_lost(struct target *t, enum target_break kind, uint64_t address, uint64_t size);
struct err *linux_resume(struct target *t, const struct target_resume *how) err_must_check;
struct err *linux_interrupt(struct target *t) err_must_check;
int linux_timeout_ms(struct target *t);
struct err *linux_next_event(struct target *t, struct target_event *ret) err_must_check;

/* What the client has planted in that memory isn't any more. The machine stands still. */
void linux_client_loses(struct linux_target *l, uint64_t start, uint64_t size);
