/*
 * What the files of the Linux target share. linux.c finds the kernel and puts the parts together; each of the others is about
 * one thing that it adds.
 */
#pragma once

#include "target/linux.h"

struct linux_tasks;

struct linux_target {
	struct target target;
	struct linux_params params;
	char *build_id, *vmlinux;
	struct layout_answer facts[KERNEL_FACTS_N];
	bool has_facts, no_facts;  /* asked for; asked for in vain */
	struct kernel *kernel;     /* NULL: not found (yet) */
	char *told;                /* the last message that was given, so that it is given once */
	struct linux_tasks *tasks; /* linux_tasks.c */
};

static inline struct linux_target *linux_target(struct target *t)
{
	return (struct linux_target *)t;
}

/* The kernel, if it has come so far that it can be found; NULL: it hasn't. What is to be said about that is said once. */
struct kernel *linux_kernel(struct linux_target *l);
