/*
 * Stops where the kernel says that something went wrong, and the registers there, as a thread that can be looked at until the
 * machine goes on.
 */
#pragma once

#include "kernel/entry_regs.h"
#include "target/linux_private.h"

/* Threads from there on, and as many as CPUs can be, are culprits; the rest is the CPU's thread. */
#define CULPRIT_THREAD_BASE UINT32_C(9000000)

static inline bool linux_is_culprit(uint32_t thread)
{
	return thread > CULPRIT_THREAD_BASE && thread - CULPRIT_THREAD_BASE <= TARGET_CPUS_MAX;
}

/* The CPU that the culprit was on; a thread that is none is its own. */
static inline uint32_t linux_oops_cpu(uint32_t thread)
{
	return linux_is_culprit(thread) ? thread - CULPRIT_THREAD_BASE : thread;
}

/* stop_on: as linux_params has it. */
struct linux_oops *linux_oops_create(const char *stop_on);
void linux_oops_destroy(struct linux_oops *o);
DEFINE_CLEANUP(struct linux_oops *, linux_oops_destroy);

/* The machine goes on: there is no culprit any more. */
void linux_oops_forget(struct linux_target *l);

/* The thread of the culprit, if there is one. */
void linux_oops_add_thread(struct linux_target *l, struct target_threads *ret);
bool linux_oops_has_thread(const struct linux_target *l, uint32_t thread);
/* Its registers, *ret_n of them, as long as the machine stands still. ERR_NOT_FOUND: it is there no more. */
struct err *linux_oops_registers(const struct linux_target *l, uint32_t thread, const struct entry_register **ret,
				 size_t *ret_n) err_must_check;

/* Hooks: linux_hooks.h. */
bool linux_oops_wants_deaths(const struct linux_target *l);
bool linux_oops_wants_panics(const struct linux_target *l);
bool linux_oops_wants_warnings(const struct linux_target *l);
bool linux_oops_dies(struct linux_target *l, struct target_event *event);
bool linux_oops_panics(struct linux_target *l, struct target_event *event);
bool linux_oops_warns(struct linux_target *l, struct target_event *event);
