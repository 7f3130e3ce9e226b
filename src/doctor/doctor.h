/*
 * What is wrong on this machine, with the kernel that is asked for, or with a VM that runs, and what to do about it.
 */
#pragma once

#include <stdbool.h>

#include "config/config.h"
#include "kbuild/kbuild.h"
#include "vm/attach.h"

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

/* A kernel that was built elsewhere. */
struct doctor_foreign {
	char *kernel;            /* NULL: none is asked for; ktb builds one */
	char *release, *vmlinux; /* or NULL */
	struct strv lacks;       /* what the VM needs of it and it has not, for people */
};

void doctor_foreign_deinit(struct doctor_foreign *f);

/* What is looked at by means of the layers above. Nothing is changed by it. */
struct doctor_ops {
	struct err *(*kernel)(const struct config *cfg, struct kbuild_inspection *ret);
	struct err *(*gdb)(const struct config *cfg, struct doctor_gdb *ret);
	/* vm.kernel, and what belongs to it. An error is what ktb vm would say. */
	struct err *(*foreign)(const struct config *cfg, struct doctor_foreign *ret);
	/* The host's folders, disks and ports that the VM is given. An error is what ktb vm would say. */
	struct err *(*attach)(const struct config *cfg, struct attach *ret);
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
