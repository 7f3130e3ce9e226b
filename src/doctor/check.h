/*
 * What a check is made of; for the files of this folder.
 */
#pragma once

#include "doctor/doctor.h"

struct doctor {
	const struct config *cfg;
	const struct doctor_ops *ops;
	/* The kernel is looked at once. */
	struct kbuild_inspection inspection;
	bool inspected;
	/* As is the one that was built elsewhere. */
	struct doctor_foreign foreign;
	bool foreign_seen;
	int fd; /* where what a check says goes */
};

enum { CHECK_NEEDS_MAX = 2 };

struct doctor_check {
	const char *group, *name, *title;
	/* Names of checks that must have found nothing wrong; they come before in the table. */
	const char *needs[CHECK_NEEDS_MAX];
	unsigned int seconds; /* that it may take */
	/* Says at least one thing. An error is a problem that was found. */
	struct err *(*run)(struct doctor *d);
};

extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_n;

/* Says something. Takes the texts; meaning and remedy may be NULL. */
void say(struct doctor *d, enum doctor_status status, char *found, char *meaning, char *remedy);
/* For constant texts. */
void say_text(struct doctor *d, enum doctor_status status, const char *found, const char *meaning, const char *remedy);
/* Says that an error was found, and destroys it. */
void say_error(struct doctor *d, enum doctor_status status, struct err *e, const char *meaning, const char *remedy);

/* The kernel that is asked for; belongs to d. */
struct err *inspect_kernel(struct doctor *d, const struct kbuild_inspection **ret) err_must_check;

/* What is booted if it was built elsewhere; belongs to d. Its `kernel` is NULL if ktb builds one. */
struct err *inspect_foreign(struct doctor *d, const struct doctor_foreign **ret) err_must_check;

/* Whether what is booted was built elsewhere. Then, if `say_so`, the check is said to be skipped for that. */
bool is_foreign(struct doctor *d, bool say_so);

struct err *check_kvm_access(struct doctor *d) err_must_check;
struct err *check_kvm(struct doctor *d) err_must_check;
struct err *check_qemu(struct doctor *d) err_must_check;
struct err *check_gdb(struct doctor *d) err_must_check;
struct err *check_build_tools(struct doctor *d) err_must_check;
struct err *check_userland(struct doctor *d) err_must_check;
struct err *check_disk(struct doctor *d) err_must_check;
struct err *check_memory(struct doctor *d) err_must_check;
struct err *check_terminal(struct doctor *d) err_must_check;

struct err *check_kernel(struct doctor *d) err_must_check;
struct err *check_build_id(struct doctor *d) err_must_check;
struct err *check_debug_info(struct doctor *d) err_must_check;
struct err *check_scripts(struct doctor *d) err_must_check;
struct err *check_options(struct doctor *d) err_must_check;

struct err *check_attach(struct doctor *d) err_must_check;
struct err *check_machine(struct doctor *d) err_must_check;

struct err *check_port(struct doctor *d) err_must_check;
struct err *check_vms(struct doctor *d) err_must_check;
struct err *check_vm_symbols(struct doctor *d) err_must_check;
struct err *check_vm_port(struct doctor *d) err_must_check;
struct err *check_last_vm(struct doctor *d) err_must_check;
