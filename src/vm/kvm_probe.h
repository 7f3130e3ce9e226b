/*
 * Is KVM on this machine really usable? A /dev/kvm that opens and makes VMs is no answer: there are machines on which
 * every kernel then dies at its first unusual instruction. So a few such instructions are run in a VM of our own.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define KVM_PROBE_DEVICE "/dev/kvm"

/*
 * Begins to find out, in a child process, in which the VM lives and dies. That takes some milliseconds, in which the caller may
 * do other things; the child has all descriptors that are open now. An error means only that nothing could be tried, such as no
 * memory for a process.
 */
struct kvm_probe;
struct err *kvm_probe_start(const char *device, struct kvm_probe **ret) err_must_check;

/*
 * *ret_why is NULL if KVM is usable, otherwise one line that says why it isn't, to be shown behind "using TCG: "; the
 * caller frees it. Waits for the child, which is killed if it takes longer than a second from its start. Call it once.
 */
struct err *kvm_probe_finish(struct kvm_probe *probe, char **ret_why) err_must_check;

/* Ends it, if nobody waited for it. */
void kvm_probe_destroy(struct kvm_probe *probe);
DEFINE_CLEANUP(struct kvm_probe *, kvm_probe_destroy);

/* What follows is for tests, which play KVM. */

/* System calls, returning as these do: -1 and errno. They run in the child process. */
struct kvm_ops {
	int (*open)(void *data, const char *path);
	int (*ioctl)(void *data, int fd, unsigned long request, void *arg);
	/* The shared memory of the vCPU: size bytes of fd from its start; MAP_FAILED. */
	void *(*map)(void *data, int fd, size_t size);
	void *data;
};

struct err *kvm_probe_start_with(const struct kvm_ops *ops, const char *device, int timeout_ms, struct kvm_probe **ret)
	err_must_check;
