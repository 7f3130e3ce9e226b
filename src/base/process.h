/*
 * Child processes: started with exactly the descriptors and the environment they are meant to have, watched by pidfd,
 * and never left behind.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct process_options {
	const char *const *argv; /* argv[0] is looked up on $PATH */
	const char *cwd;         /* NULL: as it is */
	/* Changes of the environment, ended by NULL: "NAME=value" sets, "NAME" removes. NULL: none. */
	const char *const *env;
	/* What becomes 0, 1 and 2 in the child; -1: inherited (the null device for 0 if new_session). */
	int stdin_fd, stdout_fd, stderr_fd;
	/* Further descriptors that the child gets under the same numbers; all others are close-on-exec. */
	const int *keep_fds;
	size_t keep_fds_n;
	bool new_session;     /* setsid: no terminal, a process group of its own */
	bool new_group;       /* a process group of its own in this session */
	bool die_with_parent; /* SIGKILL when this thread ends, whatever ends it (PR_SET_PDEATHSIG) */
};

#define PROCESS_OPTIONS_INIT                                                                                           \
	{                                                                                                              \
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1                                                       \
	}

struct process {
	pid_t pid; /* 0: none */
	int pidfd; /* readable when the process has ended; -1: none */
};

#define PROCESS_INIT                                                                                                   \
	{                                                                                                              \
		0, -1                                                                                                  \
	}

/* Starts a process. ERR_PREREQ if there is no such program; that it could not be executed is noticed here. */
struct err *process_spawn(const struct process_options *options, struct process *ret) err_must_check;

/*
 * Forks without a new program: returns true in the child, which has default signal handling, and dies with its
 * parent if asked.
 */
struct err *process_fork(bool die_with_parent, struct process *p, bool *ret_child) err_must_check;

/* Waits for the end; *ret_status is as of waitpid(2). The process is gone afterwards. */
struct err *process_wait(struct process *p, int *ret_status) err_must_check;

/* The same, at most timeout_ms (-1: for ever): ERR_TIMEOUT. */
struct err *process_wait_timeout(struct process *p, int timeout_ms, int *ret_status) err_must_check;

/*
 * Whether a process ends within timeout_ms that need not be a child of ours. One that ended has, whether or not somebody
 * reaped it.
 */
bool process_ends_within(pid_t pid, int timeout_ms);

/* Sends a signal; a process that is gone is fine. */
void process_kill(const struct process *p, int signal_number);

/* Leaves it to itself: nobody waits for it any more. For one that not even SIGKILL ends in time. */
void process_forget(struct process *p);

/* A pipe to or from a process; both ends close-on-exec, blocking, and the caller's. */
struct err *process_pipe(int *ret_read, int *ret_write) err_must_check;

/* SIGKILLs, reaps and closes, if there is one. */
void process_deinit(struct process *p);
DEFINE_CLEANUP_STORAGE(struct process, process_deinit);

/* "exit status 2", "killed by SIGSEGV". The caller frees it. */
char *process_describe_status(int status);

/*
 * Runs a program to its end. stdout is appended to *out if that is not NULL (at most 64 MiB); stderr is put into the
 * error. Any end but exit status 0 is an error (ERR_OS). Stdin is the null device.
 */
struct err *process_run(const char *const *argv, const char *cwd, const char *const *env, struct buf *out)
	err_must_check;

/*
 * In a child that goes on without a new program: closes all descriptors but these n; 0, 1 and 2 too, if they are not among
 * them. Needs Linux 5.9, as pidfds need 5.3.
 */
void process_keep_only(const int *fds, size_t n);

/*
 * Has what was inherited beyond 0, 1 and 2 not be passed on to programs that are started from now on: a pipe, a lock or make's
 * job server would be held by them as long as they run.
 */
void process_keep_inherited_private(void);
