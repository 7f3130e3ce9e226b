/*
 * Tasks: the list of processes, and of their threads.
 *
 * The guest goes on while its lists are walked. A link that doesn't lead back to where one came from tells that the list
 * was changed just there; then the walk begins again. What a task says is read between two looks at its links, so that a
 * task that was freed meanwhile, its memory perhaps another one's by now, is not taken for what it was.
 */
#pragma once

#include "kernel/kernel.h"

/* What could be read of a task; the rest is not known. */
enum task_known {
	TASK_KNOWS_IDS = 1U << 0,
	TASK_KNOWS_COMM = 1U << 1,
	TASK_KNOWS_STATE = 1U << 2,
	TASK_KNOWS_PARENT = 1U << 3,
	TASK_KNOWS_UID = 1U << 4,
	TASK_KNOWS_CPU = 1U << 5,
	TASK_KNOWS_RSS = 1U << 6,
	TASK_KNOWS_TIME = 1U << 7,
	TASK_KNOWS_KIND = 1U << 8,
};
#define TASK_KNOWS_ALL ((1U << 9) - 1)

enum { TASK_COMM_MAX = 16 };

struct task {
	uint64_t address; /* of its task_struct */
	unsigned int known;
	uint32_t pid;  /* of the thread */
	uint32_t tgid; /* of the process */
	uint32_t ppid; /* of the parent's process; 0: none */
	uint32_t uid;  /* effective, in the first user namespace */
	uint32_t cpu;  /* where it runs, or ran last */
	char state;    /* as ps(1) has it: R S D T t X Z P I */
	bool kernel_thread;
	uint64_t rss;  /* bytes; of a kernel thread 0 */
	uint64_t time; /* ns on a CPU: of the thread, or of all threads of the process, those that ended included */
	char comm[TASK_COMM_MAX + 1];
};

struct task_list {
	struct task *tasks;
	size_t n;
	/* False if the guest tore the list at every try: some are missing. */
	bool complete;
};

#define TASK_LIST_INIT                                                                                                 \
	{                                                                                                              \
		NULL, 0, false                                                                                         \
	}

void task_list_deinit(struct task_list *l);
DEFINE_CLEANUP_STORAGE(struct task_list, task_list_deinit);

/*
 * Reads all tasks, in the order of the kernel's list: processes, or with `threads` every thread of each. The idle tasks
 * (PID 0) are left out. ERR_UNSUPPORTED if the kernel lacks what must be known, ERR_FAULT if not even the first task
 * can be read.
 */
struct err *task_list_read(const struct kernel *k, bool threads, struct task_list *ret) err_must_check;

/* Reads the one whose task_struct is at the address, listed or not: idle tasks (PID 0) are in no list. */
void task_read(const struct kernel *k, uint64_t address, struct task *ret);

/* Only its numbers, quickly. False if they can't be read. */
bool task_read_ids(const struct kernel *k, uint64_t address, uint32_t *ret_pid, uint32_t *ret_tgid);

/* The page tables of its process, in which the kernel's addresses are too. False: it has none of its own. */
bool task_mmu(const struct kernel *k, uint64_t address, struct mmu *ret);

/*
 * The letter for a task's state. state is task_struct.__state, exit_state that of the same name. Pure.
 */
char task_state_letter(uint32_t state, uint32_t exit_state);

/*
 * The function in which a task sleeps, as /proc/PID/wchan has it: the first one on its stack that is not the scheduler's. Its
 * address goes to *ret. False if the task is not asleep, or has run whenever its stack was read, or that can't be followed:
 * kernels with neither frame pointers nor ORC have nothing to go by.
 */
bool task_sleeps_in(const struct kernel *k, const struct task *t, uint64_t *ret);
