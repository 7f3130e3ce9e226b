/*
 * The control socket: how other ktb processes reach a running VM. One JSON object a line, one answer for each:
 *
 *	{"op":"status"}                     {"ok":true,"status":"running","up":true,"resets":0}, up: init is there;
 *	                                    resets: how often the machine was reset; and "own_init":true if the guest
 *	                                    is to have another
 *	{"op":"stop","force":false}         {"ok":true}, and the connection closes when the VM is gone
 *	{"op":"resize","rows":24,"cols":80} {"ok":true}
 *	{"op":"ram"}                        {"ok":true,"size":2147483648}, with a read-only descriptor of the RAM attached
 *	{"op":"agent"}                      {"ok":true}, with a connection to the guest's agent attached: frames as in
 *	                                    guest/protocol.h, their channel does not matter
 *	{"op":"hold"}                       {"ok":true}; the VM is stopped, and goes on when the connection closes
 *	{"op":"registers","cpu":0}          {"ok":true}, with a pipe attached from which the vCPU's registers come, as QEMU's
 *	                                    monitor prints them (vm/registers.h); nothing, if QEMU doesn't say
 *	{"op":"dump"}                       {"ok":true}, with a pipe attached from which the guest's memory comes as QEMU dumps
 *	                                    it: a flattened kdump file, compressed by zlib
 *	{"op":"dumped"}                     {"ok":true}, with a pipe attached from which QEMU's query-dump comes, as JSON; what
 *	                                    the last dump failed at is an error
 *
 * What fails answers {"ok":false,"error":"...","code":"not-found"}.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

enum control_op {
	CONTROL_STATUS,
	CONTROL_STOP,
	CONTROL_RESIZE,
	CONTROL_RAM,
	CONTROL_AGENT,
	CONTROL_HOLD,
	CONTROL_REGISTERS,
	CONTROL_DUMP,
	CONTROL_DUMPED,
};

struct control_request {
	enum control_op op;
	bool force;          /* stop */
	uint16_t rows, cols; /* resize */
	uint16_t cpu;        /* registers; counted from 0 */
};

/* Understands a line. Pure. ERR_BAD_DATA for anything that is no request. */
struct err *control_parse(const char *line, size_t len, struct control_request *ret) err_must_check;

/* What the supervisor answers. */
struct control_answer {
	const char *status; /* NULL: none */
	bool up;            /* with a status: the guest's init is there */
	bool own_init;      /* with a status: the guest is to have another init than ktb's */
	uint64_t resets;    /* with a status */
	uint64_t size;
	int fd; /* sent along and then closed; -1: none */
};

/* Called for each request; an error becomes the answer. */
typedef struct err *(*control_handler)(const struct control_request *request, struct control_answer *answer,
				       void *user);

/* Called when a connection closes on which "hold" was asked for, however it came to close. */
typedef void (*control_released)(void *user);

struct control;

/* Serves the listening socket, which it owns, in the loop. */
struct control *control_create(struct loop *loop, int listen_fd, control_handler handler, control_released released,
			       void *user);
/* Closes all connections, without a word to control_released. */
void control_destroy(struct control *c);
DEFINE_CLEANUP(struct control *, control_destroy);

/* --- The other side: blocking calls of the commands, bounded in time (ERR_TIMEOUT). sock is a connection to a VM's control.sock. --- */

/* What the VM does: "running", "paused", "debug", "panicked", "shutdown", ... The caller frees it. */
struct err *control_status(int sock, char **ret) err_must_check;
/* The same, and what is known of the guest. */
struct control_guest {
	bool up;       /* ktb's init is there */
	bool own_init; /* it is to be another one */
	uint64_t
		resets; /* so often the machine was reset; UINT64_MAX: the supervisor is an older one and doesn't say */
};
struct err *control_guest_status(int sock, char **ret, struct control_guest *ret_guest) err_must_check;
/* A connection to the guest's agent, which may be a while in coming. The caller closes it. */
struct err *control_agent(int sock, int *ret_fd) err_must_check;

/*
 * Asks for the end and waits for it; meanwhile, waiting is called each second with the seconds that have passed. It may be
 * NULL.
 */
struct err *control_stop(int sock, bool force, void (*waiting)(unsigned int seconds, void *user), void *user)
	err_must_check;
struct err *control_resize(int sock, uint16_t rows, uint16_t cols) err_must_check;
/* A read-only descriptor of the guest's RAM; the caller closes it. */
struct err *control_ram(int sock, int *ret_fd, uint64_t *ret_size) err_must_check;
/*
 * Has the VM stand still until sock is closed, and waits until it does. One that stands still anyway is left so
 * afterwards.
 */
struct err *control_hold(int sock) err_must_check;
/*
 * Appends the registers of a vCPU to ret, as vm_registers_parse() takes them. They belong together only if the VM stands
 * still. ERR_NOT_FOUND if there is no such vCPU.
 */
struct err *control_registers(int sock, unsigned int cpu, struct buf *ret) err_must_check;

/*
 * Has QEMU dump the guest's memory. *ret is where it comes from, in the flattened form of a kdump file (mem/flattened.h); the
 * caller closes it, and QEMU then gives up. The VM should be held, or QEMU stops it and lets it go on.
 */
struct err *control_dump(int sock, int *ret) err_must_check;
/* How far it is: bytes of the guest's memory. *ret_active is false when it is done. What it failed at is the error. */
struct err *control_dump_state(int sock, bool *ret_active, uint64_t *ret_done, uint64_t *ret_total) err_must_check;
