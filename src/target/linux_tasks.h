/*
 * Tasks as threads: linux_tasks.c has the list, and what CPUs run; linux_task_view.c what can be looked at of a task that sleeps.
 */
#pragma once

#include "debuginfo/symbols.h"
#include "kernel/task.h"
#include "target/description.h"
#include "target/linux_private.h"

/* Threads from there on are tasks that sleep; the rest is their TID. */
#define TASK_THREAD_BASE UINT32_C(10000000)

/* A task that sleeps, as a thread. */
struct linux_task {
	uint32_t thread;
	struct task task;
};

/* What is known of tasks, and of the CPUs that run them. */
struct linux_tasks {
	char *wanted;            /* which ones are listed: "all", a PID, a part of a name; NULL: none */
	struct linux_task *list; /* by thread; as they are since the machine stands still */
	size_t n;
	bool is_read;
	struct description description; /* of the registers; n is 0 as long as it wasn't read */
	uint32_t *cpus; /* for each of the target's CPUs the kernel's number, once that is certain; else UINT32_MAX */
	size_t cpus_n;
	struct symbols *symbols; /* NULL: not opened, or can't be */
	bool no_symbols;
};

static inline bool linux_is_task(uint32_t thread)
{
	return thread >= TASK_THREAD_BASE;
}

/* --- Tasks: linux_tasks.c --- */

/* wanted: which tasks are threads, as linux_params has it. */
struct linux_tasks *linux_tasks_create(const char *wanted);
void linux_tasks_destroy(struct linux_tasks *t);
/* The machine goes on: what was read of tasks is old. */
void linux_tasks_forget(struct linux_target *l);
/* The kernel has gone, or is another one. */
void linux_tasks_reset(struct linux_target *l);
/* `monitor tasks`, and what is behind it. */
struct err *linux_tasks_monitor(struct linux_target *l, const char *rest, target_output output, void *user)
	err_must_check;

/* The one that is listed under this number; NULL: none is. As long as the machine stands still. */
const struct linux_task *linux_task_find(struct linux_target *l, uint32_t thread);
/* "bash/142"; of an idle task, whose PID is 0, only its name. */
void linux_task_name(const struct task *t, struct buf *b);
/* Appends the name of what a CPU of the target's runs; *ret_cpu: its number, as the kernel counts. There is a kernel. */
bool linux_name_current(struct linux_target *l, uint32_t thread, struct buf *b, uint32_t *ret_cpu);
/* Those of vmlinux; NULL: there are none. */
struct symbols *linux_symbols(struct linux_target *l);

/* Operations of the target. */
struct err *linux_tasks_threads(struct target *t, struct target_threads *ret) err_must_check;
bool linux_tasks_has_thread(struct target *t, uint32_t thread);
const struct target_variable *linux_tasks_variables(struct target *t, size_t *ret_n);
struct err *linux_tasks_variable(struct target *t, uint32_t thread, unsigned int number, int64_t *ret) err_must_check;

/* --- A task that sleeps: linux_task_view.c --- */

/* Reads the description of the registers, once. */
struct err *linux_describe(struct linux_target *l) err_must_check;
/* A register of a g packet's bytes, by name. False if there is none such. */
bool linux_register_value(const struct linux_target *l, const char *name, const struct buf *bytes, uint64_t *ret);

/* As linux_task_find(); ERR_NOT_FOUND. */
struct err *linux_task_need(struct linux_target *l, uint32_t thread, const struct linux_task **ret) err_must_check;
/* ERR_UNSUPPORTED if a task that sleeps is to make a step. */
struct err *linux_view_check_resume(struct linux_target *l, const struct target_resume *how) err_must_check;

/* Operations of the target. */
struct err *linux_view_read_registers(struct target *t, uint32_t thread, struct buf *ret) err_must_check;
struct err *linux_view_known_registers(struct target *t, uint32_t thread, struct buf *ret) err_must_check;
struct err *linux_view_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len) err_must_check;
struct err *linux_view_read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
	err_must_check;
struct err *linux_view_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes,
				      size_t len) err_must_check;
struct err *linux_view_program_counter(struct target *t, uint32_t thread, uint64_t *ret) err_must_check;
struct err *linux_view_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
				   size_t *ret_len) err_must_check;
struct err *linux_view_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
	err_must_check;
