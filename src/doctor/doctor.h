/*
 * What is wrong on this machine, with the kernel that is asked for, or with a VM that runs, and what to do about it.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "kbuild/kbuild.h"

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_WARNING, /* works, though not as well as it could; or somebody may have meant it */
	DOCTOR_PROBLEM,
	DOCTOR_SKIPPED, /* what it needs isn't there; `found` says what */
};

/* "ok", "warning", "problem", "skipped". Static. */
const char *doctor_status_name(enum doctor_status status);

struct doctor_result {
	const char *group; /* "machine", "kernel", "vm" */
	const char *check; /* a name that stays the same: "kvm" */
	const char *title; /* for people: "KVM" */
	enum doctor_status status;
	/* What was found; what that means; what to do about it. The last two are NULL where nothing is wrong. */
	const char *found, *meaning, *remedy;
};

/* What a GDB can do. */
struct doctor_gdb {
	char *path; /* the caller frees it */
	unsigned int major;
	bool python;
};

/* What is looked at by means of the layers above. */
struct doctor_ops {
	struct err *(*kernel)(const struct config *cfg, struct kbuild_inspection *ret);
	struct err *(*gdb)(const struct config *cfg, struct doctor_gdb *ret);
	/* The guest's userland: path of a program that will do. */
	struct err *(*userland)(char **ret);
};

/*
 * Makes all checks, and calls f for each thing that a check has to say, in a fixed order; valid during the call. Nothing
 * is changed, and no VM is disturbed. The checks run in a process of their own, each for a limited time: one that
 * hangs or crashes is a problem that was found, and the next one is made.
 */
struct err *doctor_run(const struct config *cfg, const struct doctor_ops *ops,
		       void (*f)(const struct doctor_result *result, void *user), void *user) err_must_check;
