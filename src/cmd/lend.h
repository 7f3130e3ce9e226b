/*
 * What a server process lends to a command that it runs for a debugger (`monitor ps` and the like): the kernel's memory and its
 * CPUs' registers, where only the server process can reach them. They talk over a socket pair, in the order of the host; both are
 * the same program.
 */
#pragma once

#include "base/registers.h"
#include "mem/mem.h"

/* The lender's side. */
struct lender {
	struct mem *mem;
	uint64_t slide;
	/* The CPUs' registers, counted from 0. ERR_NOT_FOUND: there are no more. */
	struct err *(*registers)(void *user, uint32_t cpu, struct cpu_registers *ret);
	void *user;
};

/* Makes the pair. The lender's end doesn't wait; the other's number goes to the command by the variable *ret_env, NAME=N. */
struct err *lend_pair(int *ret_ours, int *ret_theirs, char **ret_env) err_must_check;
/* Answers what was asked, if something was. ERR_CLOSED: the other side has ended. */
struct err *lend_answer(const struct lender *l, int fd) err_must_check;

/* The borrower's side: the descriptor, or -1 if this process was lent nothing. */
int lend_borrowed_fd(void);
/* *ret reads what the lender has; fd must stay open as long. */
struct err *lend_borrow(int fd, struct mem **ret, uint64_t *ret_slide) err_must_check;
struct err *lend_borrow_registers(int fd, uint32_t cpu, struct cpu_registers *ret) err_must_check;
