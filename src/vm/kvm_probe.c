/*
 * Theory of operation
 *
 * A child process makes a VM with one vCPU, puts that straight into long mode, and runs the two programs of
 * kvm_guest.c: one that asks what CPU it is on, and one that tries that CPU's instructions. The latter announces each
 * check by an I/O exit. So we know where the guest stands, whatever happens to it.
 *
 * The child reports through a page that it shares with us. It says there what it is about to do, before it does it,
 * and at the end what came of it; we look when the child has ended, or has been killed because it took too long.
 * Nothing that KVM does can thus hold us up, and what the child leaves behind, the kernel clears away.
 */
#include "vm/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/process.h"
#include "base/util.h"

#ifdef __x86_64__

#include <linux/kvm.h>

#include "vm/kvm_guest.h"

enum {
	PROBE_TIMEOUT_MS = 1000,
	KILL_TIMEOUT_MS = 1000,
	EXITS_MAX = 64,
	CPUID_ENTRIES_MAX = 256,
	VCPU_MEMORY_MAX = 1 << 20
};

struct report {
	char doing[64]; /* as in "KVM hangs at ..." */
	char why[256];  /* empty: usable */
	bool done;
};

struct probe {
	const struct kvm_ops *ops;
	struct report *report;
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	void *memory; /* GUEST_MEMORY_SIZE bytes */
	struct guest_features features;
	size_t announced; /* checks that the guest has begun; one more when it is through */
};

static void doing(struct probe *p, const char *what)
{
	snprintf(p->report->doing, sizeof(p->report->doing), "%s", what);
}

/* Says why not. Returns false, so that callers can return it. */
static __attribute__((format(printf, 2, 3))) bool unusable(struct probe *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->report->why, sizeof(p->report->why), fmt, ap);
	va_end(ap);
	return false;
}

/* An ioctl that must work; *ret is its result. */
static bool call(struct probe *p, int fd, unsigned long request, const char *name, void *arg, int *ret)
{
	int n;

	doing(p, name);
	n = p->ops->ioctl(p->ops->data, fd, request, arg);
	if (n < 0)
		return unusable(p, "KVM refuses %s: %s", name, strerror(errno));
	if (ret)
		*ret = n;
	return true;
}

#define CALL(p, fd, request, arg, ret) call(p, fd, request, #request, arg, ret)

static bool open_device(struct probe *p, const char *device)
{
	int error;

	doing(p, "open");
	p->kvm = p->ops->open(p->ops->data, device);
	if (p->kvm >= 0)
		return true;
	error = errno;
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return unusable(p, "no %s: the CPU's virtualisation is off or KVM isn't loaded", device);
	case EACCES:
	case EPERM:
		return unusable(p, "%s: %s (add yourself to group kvm)", device, strerror(error));
	default:
		return unusable(p, "%s: %s", device, strerror(error));
	}
}

static bool create_vm(struct probe *p)
{
	int version = 0;

	if (!CALL(p, p->kvm, KVM_GET_API_VERSION, NULL, &version))
		return false;
	if (version != KVM_API_VERSION)
		return unusable(p, "KVM's API has version %d, not %d", version, KVM_API_VERSION);
	doing(p, "KVM_CREATE_VM");
	p->vm = p->ops->ioctl(p->ops->data, p->kvm, KVM_CREATE_VM, NULL);
	if (p->vm >= 0)
		return true;
	if (errno == EBUSY)
		return unusable(p, "KVM makes no VM: another hypervisor holds the CPU's virtualisation");
	return unusable(p, "KVM makes no VM: %s", strerror(errno));
}

static bool add_memory(struct probe *p)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_MEMORY_SIZE };

	p->memory = mmap(NULL, GUEST_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->memory == MAP_FAILED)
		return unusable(p, "no memory for a VM: %s", strerror(errno));
	region.userspace_addr = (uintptr_t)p->memory;
	return CALL(p, p->vm, KVM_SET_USER_MEMORY_REGION, &region, NULL);
}

static bool create_vcpu(struct probe *p)
{
	int size = 0;

	if (!CALL(p, p->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, &size) || !CALL(p, p->vm, KVM_CREATE_VCPU, NULL, &p->vcpu))
		return false;
	if (size < (int)sizeof(*p->run) || size > VCPU_MEMORY_MAX)
		return unusable(p, "KVM's vCPU has %d bytes of shared memory", size);
	doing(p, "mmap");
	p->run_size = (size_t)size;
	p->run = p->ops->map(p->ops->data, p->vcpu, p->run_size);
	if (p->run == MAP_FAILED)
		return unusable(p, "KVM's vCPU can't be mapped: %s", strerror(errno));
	return true;
}

/* Gives the guest the CPU that KVM offers, as QEMU does with -cpu host. */
static bool set_cpuid(struct probe *p)
{
	_cleanup_(free) struct kvm_cpuid2 *cpuid =
		xcalloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));

	cpuid->nent = CPUID_ENTRIES_MAX;
	return CALL(p, p->kvm, KVM_GET_SUPPORTED_CPUID, cpuid, NULL) && CALL(p, p->vcpu, KVM_SET_CPUID2, cpuid, NULL);
}

/* Intel SDM volume 3, 2.5 (control registers), 2.2.1 (EFER). */
enum {
	CR0_PE = 1 << 0,
	CR0_MP = 1 << 1,
	CR0_ET = 1 << 4,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR4_PAE = 1 << 5,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_OSXSAVE = 1 << 18,
	EFER_LME = 1 << 8,
	EFER_LMA = 1 << 10,
	XCR0_X87_SSE_AVX = 7,
};
#define CR0_PG (UINT64_C(1) << 31)

/*
 * The state in which a 64-bit kernel runs, at the beginning of a program. No IDT: an exception ends in a shutdown,
 * which we are told of.
 */
static bool set_registers(struct probe *p, bool avx)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_regs regs = { .rip = GUEST_CODE, .rsp = GUEST_STACK_END, .rdi = GUEST_OPERANDS, .rflags = 2 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = XCR0_X87_SSE_AVX } } };
	struct kvm_sregs sregs;

	if (!CALL(p, p->vcpu, KVM_GET_SREGS, &sregs, NULL))
		return false;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (avx ? CR4_OSXSAVE : 0);
	sregs.efer = EFER_LME | EFER_LMA;
	return CALL(p, p->vcpu, KVM_SET_SREGS, &sregs, NULL) && CALL(p, p->vcpu, KVM_SET_REGS, &regs, NULL) &&
	       (!avx || CALL(p, p->vcpu, KVM_SET_XCRS, &xcrs, NULL));
}

/* The guest wrote to a port: that must be the number of the check that it begins. */
static bool take_announcement(struct probe *p)
{
	const struct kvm_run *run = p->run;
	size_t checks = guest_checks(&p->features);
	uint8_t number;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.port != GUEST_PORT || run->io.size != 1 ||
	    run->io.data_offset >= p->run_size)
		return unusable(p, "KVM reports port I/O that the guest didn't do");
	number = ((const uint8_t *)run)[run->io.data_offset];
	if (number != p->announced || number > checks)
		return unusable(p, "KVM ran the guest's instructions out of order");
	if (number > 0 && !guest_check_passed(&p->features, p->memory, number - 1u))
		return unusable(p, "KVM got a wrong result from %s", p->report->doing);
	doing(p, number < checks ? guest_check_name(&p->features, number) : "hlt");
	p->announced++;
	return true;
}

static bool internal_error(struct probe *p)
{
	if (p->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		return unusable(p, "KVM stops with an emulation failure at %s", p->report->doing);
	return unusable(p, "KVM stops with internal error %u at %s", p->run->internal.suberror, p->report->doing);
}

/* What the vCPU stopped for. Returns true if it is to go on, or has *halted. */
static bool handle_exit(struct probe *p, bool *halted)
{
	switch (p->run->exit_reason) {
	case KVM_EXIT_IO:
		return take_announcement(p);
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_HLT:
		*halted = true;
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		return internal_error(p);
	case KVM_EXIT_SHUTDOWN:
		return unusable(p, "KVM's CPU shut down (triple fault) at %s", p->report->doing);
	case KVM_EXIT_FAIL_ENTRY:
		return unusable(p, "KVM can't enter the guest (hardware reason 0x%llx)",
				(unsigned long long)p->run->fail_entry.hardware_entry_failure_reason);
	default:
		return unusable(p, "KVM stops for an unexpected reason (%u) at %s", p->run->exit_reason,
				p->report->doing);
	}
}

/* Runs the guest until it halts. */
static bool run_guest(struct probe *p)
{
	bool halted = false;

	for (int i = 0; i < EXITS_MAX; i++) {
		int n = p->ops->ioctl(p->ops->data, p->vcpu, KVM_RUN, NULL);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return unusable(p, "KVM doesn't run at %s: %s", p->report->doing, strerror(errno));
		if (!handle_exit(p, &halted))
			return false;
		if (halted)
			return true;
	}
	return unusable(p, "KVM makes no progress at %s", p->report->doing);
}

static bool run_question(struct probe *p)
{
	guest_prepare_question(p->memory);
	if (!set_registers(p, false))
		return false;
	doing(p, "cpuid");
	if (!run_guest(p))
		return false;
	p->features = guest_answer(p->memory);
	return true;
}

static bool run_checks(struct probe *p)
{
	guest_prepare_checks(&p->features, p->memory);
	if (!set_registers(p, guest_needs_avx(&p->features)))
		return false;
	doing(p, "out");
	if (!run_guest(p))
		return false;
	if (p->announced != guest_checks(&p->features) + 1)
		return unusable(p, "KVM halted the guest at %s", p->report->doing);
	return true;
}

static bool try_device(struct probe *p, const char *device)
{
	return open_device(p, device) && create_vm(p) && add_memory(p) && create_vcpu(p) && set_cpuid(p) &&
	       run_question(p) && run_checks(p);
}

static __attribute__((noreturn)) void run_child(const struct kvm_ops *ops, const char *device, struct report *report)
{
	struct probe p = { .ops = ops, .report = report, .kvm = -1, .vm = -1, .vcpu = -1 };

	try_device(&p, device);
	report->done = true;
	_exit(0);
}

struct kvm_probe {
	struct process child;
	struct report *report;
	uint64_t deadline; /* as of now_ns() */
};

static struct err *kill_child(struct kvm_probe *p)
{
	struct err *e;
	int status;

	process_kill(&p->child, SIGKILL);
	e = process_wait_timeout(&p->child, KILL_TIMEOUT_MS, &status);
	if (!e || err_code(e) != ERR_TIMEOUT)
		return e;
	/* It sleeps in the kernel, where no signal reaches it. */
	process_forget(&p->child);
	err_destroy(e);
	return NULL;
}

/* Waits for the child; what it didn't live to say, we say. */
static struct err *wait_for_child(struct kvm_probe *p)
{
	uint64_t now = now_ns();
	int left_ms = now < p->deadline ? (int)((p->deadline - now) / NSEC_PER_MSEC) + 1 : 0, status;
	struct report *report = p->report;
	struct err *e = process_wait_timeout(&p->child, left_ms, &status);

	if (e && err_code(e) == ERR_TIMEOUT) {
		err_destroy(e);
		TRY(kill_child(p));
		if (!report->done)
			snprintf(report->why, sizeof(report->why), "KVM hangs at %s", report->doing);
		return NULL;
	}
	if (!e && !report->done) {
		_cleanup_(free) char *how = process_describe_status(status);

		snprintf(report->why, sizeof(report->why), "the probe ended at %s: %s", report->doing, how);
	}
	return e;
}

struct err *kvm_probe_start_with(const struct kvm_ops *ops, const char *device, int timeout_ms, struct kvm_probe **ret)
{
	_cleanup_(kvm_probe_destroy) struct kvm_probe *p = xcalloc(1, sizeof(*p));
	void *report;
	bool in_child;

	p->child = (struct process)PROCESS_INIT;
	report = mmap(NULL, sizeof(*p->report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return err_os(errno, "map memory for the KVM probe");
	p->report = report;
	TRY(process_fork(true, &p->child, &in_child));
	if (in_child)
		run_child(ops, device, p->report);
	p->deadline = now_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	*ret = steal(&p);
	return NULL;
}

struct err *kvm_probe_finish(struct kvm_probe *p, char **ret_why)
{
	TRY(wait_for_child(p));
	*ret_why = p->report->why[0] ? xstrdup(p->report->why) : NULL;
	return NULL;
}

void kvm_probe_destroy(struct kvm_probe *p)
{
	if (!p)
		return;
	if (p->child.pid > 0)
		err_ignore(kill_child(p));
	if (p->report)
		munmap(p->report, sizeof(*p->report));
	free(p);
}

static int real_open(void *data, const char *path)
{
	(void)data;
	return open(path, O_RDWR | O_CLOEXEC);
}

static int real_ioctl(void *data, int fd, unsigned long request, void *arg)
{
	(void)data;
	return ioctl(fd, request, arg);
}

static void *real_map(void *data, int fd, size_t size)
{
	(void)data;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

struct err *kvm_probe_start(const char *device, struct kvm_probe **ret)
{
	static const struct kvm_ops real = { real_open, real_ioctl, real_map, NULL };

	return kvm_probe_start_with(&real, device, PROBE_TIMEOUT_MS, ret);
}

#else

struct kvm_probe {
	char unused;
};

struct err *kvm_probe_start(const char *device, struct kvm_probe **ret)
{
	(void)device;
	*ret = xcalloc(1, sizeof(**ret));
	return NULL;
}

struct err *kvm_probe_finish(struct kvm_probe *p, char **ret_why)
{
	(void)p;
	*ret_why = xstrdup("this machine's CPU is not an x86-64 one");
	return NULL;
}

void kvm_probe_destroy(struct kvm_probe *p)
{
	free(p);
}

#endif
