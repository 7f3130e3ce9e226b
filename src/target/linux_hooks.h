/*
 * Functions of the kernel at whose entry something happens that a debugger should know of: breakpoints of the Linux target's
 * own. One more is an entry in the table of linux_hooks.c and a callback.
 */
#pragma once

#include "target/linux_private.h"

enum { LINUX_HOOK_SYMBOLS = 4 };

struct linux_hook {
	/* The function is the first one of these that the kernel has; ended by 0, which is none. */
	enum kernel_fact symbols[LINUX_HOOK_SYMBOLS];
	/* Asked when hooks are planted; NULL: always. */
	bool (*wanted)(const struct linux_target *l);
	/*
	 * The CPU event->thread is about to enter it. True: the client must know, and event says what of: TARGET_REASON_LIBRARIES,
	 * or, with a message, another signo than SIGTRAP, or neither. False: that is nothing to the client, and the machine goes on.
	 */
	bool (*entered)(struct linux_target *l, struct target_event *event);
	/* The client has stepped this CPU there: that is told, and it is not entered. What is to be remembered; NULL: nothing. */
	void (*reached)(struct linux_target *l, uint32_t thread);
};

/* Plants those that are wanted and can be planted. The kernel is known, and the machine stands still. */
void linux_hooks_plant(struct linux_target *l);
/* Removes them. The machine stands still. */
void linux_hooks_forget(struct linux_target *l);
/* The one that is planted there; NULL: none is. */
const struct linux_hook *linux_hook_at(const struct linux_target *l, uint64_t address);
/* Whether the hook with that callback is planted. */
bool linux_hook_is_planted(const struct linux_target *l,
			   bool (*entered)(struct linux_target *l, struct target_event *event));

/* Whether the client has a breakpoint of its own there. */
bool linux_client_breaks_at(const struct linux_target *l, uint64_t address);

/* At the entry of a function: its argument number n, from 0 on, at most 5. */
struct err *linux_argument(struct linux_target *l, uint32_t thread, unsigned int n, uint64_t *ret) err_must_check;
/* And where it returns to. */
struct err *linux_caller(struct linux_target *l, uint32_t thread, uint64_t *ret) err_must_check;
