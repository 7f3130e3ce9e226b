/*
 * Is KVM on this machine really usable? A /dev/kvm that opens and makes VMs is no answer: there are machines on which
 * every kernel then dies at its first unusual instruction. So a few such instructions are run in a VM of our own.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KVM_PROBE_DEVICE "/dev/kvm"

/*
 * *ret_why is NULL if KVM is usable, otherwise one line that says why it isn't, to be shown behind "using TCG: "; the
 * caller frees it. An error means only that nothing could be tried, such as no memory for a process.
 *
 * The VM lives and dies in a child process; a VM that hangs is killed after a second. Takes some milliseconds.
 */
struct err *kvm_probe(const char *device, char **ret_why) err_must_check;

/* What follows is for tests, which play KVM. */

/* System calls, returning as these do: -1 and errno. They run in the child process. */
struct kvm_ops {
	int (*open)(void *data, const char *path);
	int (*ioctl)(void *data, int fd, unsigned long request, void *arg);
	/* The shared memory of the vCPU: size bytes of fd from its start; MAP_FAILED. */
	void *(*map)(void *data, int fd, size_t size);
	void *data;
};

struct err *kvm_probe_with(const struct kvm_ops *ops, const char *device, int timeout_ms, char **ret_why)
	err_must_check;
