/*
 * The KVM probe against KVMs of our own making: a good one, which runs the guest's instructions on this CPU, and ones
 * that fail in every way we know.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "vm/kvm_guest.h"
#include "vm/kvm_probe.h"

enum { KVM_FD = 1000, VM_FD, VCPU_FD, RUN_SIZE = 3 * 4096, IO_OFFSET = 4096, NEVER = 1000, TIMEOUT_MS = 5000 };

/* What the fake does wrong; all zero but fault_at is a good KVM. */
struct fake {
	int open_errno;
	unsigned long failing; /* this ioctl fails with failing_errno */
	int failing_errno;
	int api_version;
	bool map_fails;
	struct guest_features features; /* of those of this CPU */

	size_t fault_at; /* number of the check at which it happens */
	uint32_t exit_reason, suberror;
	bool wrong_result, hang, crash, halts;
	int interruptions; /* before each entry */
	uint8_t announcement_off_by;
	bool announces_by_reading;

	/* Its state. */
	uint8_t *memory;
	struct kvm_run *run;
	uint64_t rip, rdi;
	size_t check;
	bool asked; /* the first program has been run */
	int interrupted;
};

static struct guest_features this_cpu(void)
{
	struct guest_features f = { 0 };
	uint32_t eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		f.leaf1_ecx = ecx;
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		f.leaf7_ebx = ebx;
	return f;
}

static struct fake good(void)
{
	return (struct fake){ .api_version = KVM_API_VERSION, .features = this_cpu(), .fault_at = NEVER };
}

/* Runs len bytes of unprivileged code on this CPU, with RDI as given. */
static void run_natively(const uint8_t *code, size_t len, void *rdi)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || len >= 4096)
		abort();
	memcpy(page, code, len);
	page[len] = 0xc3; /* ret */
	/* The call must not write into the red zone. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n"
			 "call *%[code]\n"
			 "lea 128(%%rsp), %%rsp\n"
			 : "+D"(rdi)
			 : [code] "r"(page)
			 : "rax", "rbx", "rcx", "rdx", "xmm0", "memory", "cc");
	munmap(page, 4096);
}

static const uint8_t announcement[] = { 0xb0, 0xe6, GUEST_PORT };
static const uint8_t next_operands[] = { 0x48, 0x83, 0xc7, 32 };

static bool is_announcement(const uint8_t *code)
{
	return code[0] == announcement[0] && code[2] == announcement[1] && code[3] == announcement[2];
}

static int announce(struct fake *f, uint8_t number)
{
	f->check = number;
	f->rip += 4;
	f->run->exit_reason = KVM_EXIT_IO;
	f->run->io.direction = f->announces_by_reading ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	f->run->io.port = GUEST_PORT;
	f->run->io.size = 1;
	f->run->io.count = 1;
	f->run->io.data_offset = IO_OFFSET;
	((uint8_t *)f->run)[IO_OFFSET] = (uint8_t)(number + f->announcement_off_by);
	return 0;
}

/* The fault that is asked for at this check. Returns false if it isn't one that ends KVM_RUN. */
static bool fail_check(struct fake *f)
{
	if (f->check != f->fault_at)
		return false;
	if (f->hang)
		pause();
	if (f->crash)
		raise(SIGKILL);
	if (f->wrong_result || !(f->exit_reason || f->halts))
		return false;
	memset(f->run, 0, sizeof(*f->run));
	f->run->exit_reason = f->halts ? KVM_EXIT_HLT : f->exit_reason;
	f->run->internal.suberror = f->suberror;
	return true;
}

/* The first program: this CPU answers, and loses the features that the fake has not. */
static int answer(struct fake *f)
{
	const uint8_t *code = f->memory + f->rip;
	uint32_t *answers = (uint32_t *)(void *)(f->memory + f->rdi);
	const uint8_t *hlt = memchr(code, 0xf4, 100);

	run_natively(code, (size_t)(hlt - code), f->memory + f->rdi);
	if (answers[0] < 7)
		answers[2] = 0;
	answers[1] &= f->features.leaf1_ecx;
	answers[2] &= f->features.leaf7_ebx;
	f->run->exit_reason = KVM_EXIT_HLT;
	f->asked = true;
	return 0;
}

/* Interprets what is privileged, and lets this CPU run the rest. */
static int fake_run(struct fake *f)
{
	if (f->interrupted++ < f->interruptions) {
		errno = EINTR;
		return -1;
	}
	f->interrupted = 0;
	if (!f->asked)
		return answer(f);
	for (;;) {
		const uint8_t *code = f->memory + f->rip;
		size_t len = 0;

		if (is_announcement(code))
			return announce(f, code[1]);
		if (fail_check(f))
			return 0;
		if (code[0] == 0xf4) {
			f->run->exit_reason = KVM_EXIT_HLT;
			return 0;
		}
		while (memcmp(code + len, next_operands, sizeof(next_operands)) != 0)
			len++;
		if (!(f->wrong_result && f->check == f->fault_at))
			run_natively(code, len, f->memory + f->rdi);
		f->rip += len + sizeof(next_operands);
		f->rdi += 32;
	}
}

static int fake_open(void *data, const char *path)
{
	struct fake *f = data;

	if (!f->open_errno && streq(path, KVM_PROBE_DEVICE))
		return KVM_FD;
	errno = f->open_errno;
	return -1;
}

static void *fake_map(void *data, int fd, size_t size)
{
	struct fake *f = data;

	if (f->map_fails || fd != VCPU_FD || size != RUN_SIZE) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	f->run = xcalloc(1, size);
	return f->run;
}

/* A guest that isn't in long mode, or has no AVX state it needs, would not run. */
static int check_sregs(const struct fake *f, const struct kvm_sregs *s)
{
	bool avx = f->asked && guest_needs_avx(&f->features);

	errno = EINVAL;
	return s->efer == 0x500 && s->cr3 == GUEST_PML4 && (s->cr4 & 0x20) && !(s->cr4 & 0x40000) == !avx && s->cs.l &&
			       !s->cs.db && s->tr.type == 11 && (s->cr0 & 0x80000001) == 0x80000001
		       ? 0
		       : -1;
}

static int fake_ioctl(void *data, int fd, unsigned long request, void *arg)
{
	const struct kvm_userspace_memory_region *region = arg;
	const struct kvm_regs *regs = arg;
	struct kvm_sregs *sregs = arg;
	struct fake *f = data;

	(void)fd;
	if (request == f->failing) {
		errno = f->failing_errno;
		if (!errno)
			pause();
		return -1;
	}
	switch (request) {
	case KVM_GET_API_VERSION:
		return f->api_version;
	case KVM_CREATE_VM:
		return VM_FD;
	case KVM_CREATE_VCPU:
		return VCPU_FD;
	case KVM_GET_VCPU_MMAP_SIZE:
		return RUN_SIZE;
	case KVM_SET_USER_MEMORY_REGION:
		f->memory = (uint8_t *)(uintptr_t)region->userspace_addr;
		return region->memory_size == GUEST_MEMORY_SIZE ? 0 : -1;
	case KVM_GET_SUPPORTED_CPUID:
		((struct kvm_cpuid2 *)arg)->nent = 0;
		return 0;
	case KVM_GET_SREGS:
		*sregs = (struct kvm_sregs){ .tr = { .type = 11, .present = 1 } };
		return 0;
	case KVM_SET_SREGS:
		return check_sregs(f, sregs);
	case KVM_SET_REGS:
		f->rip = regs->rip;
		f->rdi = regs->rdi;
		return 0;
	case KVM_SET_CPUID2:
	case KVM_SET_XCRS:
		return 0;
	case KVM_RUN:
		return fake_run(f);
	default:
		errno = ENOTTY;
		return -1;
	}
}

static void nothing_is_left_behind(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static char *probe(struct fake *f, int timeout_ms)
{
	const struct kvm_ops ops = { fake_open, fake_ioctl, fake_map, f };
	_cleanup_(kvm_probe_destroy) struct kvm_probe *p = NULL;
	char *why = NULL;

	assert_null(kvm_probe_start_with(&ops, KVM_PROBE_DEVICE, timeout_ms, &p));
	assert_null(kvm_probe_finish(p, &why));
	nothing_is_left_behind();
	return why;
}

static void says(struct fake f, const char *expected)
{
	_cleanup_(free) char *why = probe(&f, TIMEOUT_MS);

	assert_non_null(why);
	assert_string_equal(why, expected);
}

static void finds_a_good_kvm_good(void **state)
{
	struct fake f = good();

	(void)state;
	assert_null(probe(&f, TIMEOUT_MS));
	f.interruptions = 3;
	assert_null(probe(&f, TIMEOUT_MS));
}

static void leaves_out_what_the_cpu_lacks(void **state)
{
	struct fake f = good();
	size_t all = guest_checks(&f.features);

	(void)state;
	f.features.leaf7_ebx = 0;
	assert_true(guest_checks(&f.features) <= all);
	assert_null(probe(&f, TIMEOUT_MS));
	f.features.leaf1_ecx = 0;
	assert_int_equal(guest_checks(&f.features), 0);
	assert_null(probe(&f, TIMEOUT_MS));
}

static void says_why_the_device_does_not_open(void **state)
{
	static const struct {
		int error;
		const char *why;
	} cases[] = {
		{ ENOENT, "no /dev/kvm: the CPU's virtualisation is off or KVM isn't loaded" },
		{ ENODEV, "no /dev/kvm: the CPU's virtualisation is off or KVM isn't loaded" },
		{ EACCES, "/dev/kvm: Permission denied (add yourself to group kvm)" },
		{ EMFILE, "/dev/kvm: Too many open files" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = good();

		f.open_errno = cases[i].error;
		says(f, cases[i].why);
	}
}

static void names_the_call_that_fails(void **state)
{
	static const struct {
		unsigned long request;
		int error;
		const char *why;
	} cases[] = {
		{ KVM_GET_API_VERSION, ENOTTY, "KVM refuses KVM_GET_API_VERSION: Inappropriate ioctl for device" },
		{ KVM_CREATE_VM, EBUSY, "KVM makes no VM: another hypervisor holds the CPU's virtualisation" },
		{ KVM_CREATE_VM, ENOMEM, "KVM makes no VM: Cannot allocate memory" },
		{ KVM_SET_USER_MEMORY_REGION, EINVAL, "KVM refuses KVM_SET_USER_MEMORY_REGION: Invalid argument" },
		{ KVM_GET_VCPU_MMAP_SIZE, EINVAL, "KVM refuses KVM_GET_VCPU_MMAP_SIZE: Invalid argument" },
		{ KVM_CREATE_VCPU, EINVAL, "KVM refuses KVM_CREATE_VCPU: Invalid argument" },
		{ KVM_GET_SUPPORTED_CPUID, E2BIG, "KVM refuses KVM_GET_SUPPORTED_CPUID: Argument list too long" },
		{ KVM_SET_CPUID2, EINVAL, "KVM refuses KVM_SET_CPUID2: Invalid argument" },
		{ KVM_GET_SREGS, EINVAL, "KVM refuses KVM_GET_SREGS: Invalid argument" },
		{ KVM_SET_SREGS, EINVAL, "KVM refuses KVM_SET_SREGS: Invalid argument" },
		{ KVM_SET_REGS, EINVAL, "KVM refuses KVM_SET_REGS: Invalid argument" },
		{ KVM_RUN, EFAULT, "KVM doesn't run at cpuid: Bad address" },
		{ KVM_RUN, EINTR, "KVM makes no progress at cpuid" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = good();

		f.failing = cases[i].request;
		f.failing_errno = cases[i].error;
		says(f, cases[i].why);
	}
}

static void notices_a_strange_kvm(void **state)
{
	struct fake f = good();

	(void)state;
	f.api_version = 11;
	says(f, "KVM's API has version 11, not 12");
	f = good();
	f.map_fails = true;
	says(f, "KVM's vCPU can't be mapped: Cannot allocate memory");
	f = good();
	f.announcement_off_by = 1;
	says(f, "KVM ran the guest's instructions out of order");
	f = good();
	f.announces_by_reading = true;
	says(f, "KVM reports port I/O that the guest didn't do");
}

/* At each check, and at the hlt behind the last. */
static void names_the_instruction_that_fails(void **state)
{
	const struct guest_features features = this_cpu();
	size_t checks = guest_checks(&features);

	(void)state;
	for (size_t i = 0; i <= checks; i++) {
		const char *name = i < checks ? guest_check_name(&features, i) : "hlt";
		_cleanup_(free) char *emulation = xasprintf("KVM stops with an emulation failure at %s", name);
		_cleanup_(free) char *internal = xasprintf("KVM stops with internal error 3 at %s", name);
		_cleanup_(free) char *shutdown = xasprintf("KVM's CPU shut down (triple fault) at %s", name);
		_cleanup_(free) char *unknown = xasprintf("KVM stops for an unexpected reason (4) at %s", name);
		struct fake f = good();

		f.fault_at = i;
		f.exit_reason = KVM_EXIT_INTERNAL_ERROR;
		f.suberror = KVM_INTERNAL_ERROR_EMULATION;
		says(f, emulation);
		f.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
		says(f, internal);
		f.exit_reason = KVM_EXIT_SHUTDOWN;
		says(f, shutdown);
		f.exit_reason = KVM_EXIT_DEBUG;
		says(f, unknown);
	}
}

static void notices_a_refused_entry(void **state)
{
	struct fake f = good();

	(void)state;
	f.fault_at = 0;
	f.exit_reason = KVM_EXIT_FAIL_ENTRY;
	says(f, "KVM can't enter the guest (hardware reason 0x0)");
}

static void notices_a_wrong_result(void **state)
{
	const struct guest_features features = this_cpu();

	(void)state;
	for (size_t i = 0; i < guest_checks(&features); i++) {
		_cleanup_(free) char *wrong = xasprintf("KVM got a wrong result from %s",
							guest_check_name(&features, i));
		_cleanup_(free) char *halted = xasprintf("KVM halted the guest at %s", guest_check_name(&features, i));
		struct fake f = good();

		f.fault_at = i;
		f.wrong_result = true;
		says(f, wrong);
		f.wrong_result = false;
		f.halts = true;
		says(f, halted);
	}
}

static void ends_a_kvm_that_hangs(void **state)
{
	struct fake f = good();
	char *why;

	(void)state;
	f.fault_at = guest_checks(&f.features);
	f.hang = true;
	why = probe(&f, 50);
	assert_string_equal(why, "KVM hangs at hlt");
	free(why);
	f = good();
	f.failing = KVM_CREATE_VM;
	why = probe(&f, 50);
	assert_string_equal(why, "KVM hangs at KVM_CREATE_VM");
	free(why);
}

static void ends_what_nobody_waits_for(void **state)
{
	struct fake f = good();
	const struct kvm_ops ops = { fake_open, fake_ioctl, fake_map, &f };
	struct kvm_probe *p = NULL;

	(void)state;
	f.fault_at = guest_checks(&f.features);
	f.hang = true;
	assert_null(kvm_probe_start_with(&ops, KVM_PROBE_DEVICE, TIMEOUT_MS, &p));
	kvm_probe_destroy(p);
	nothing_is_left_behind();
}

static void survives_the_death_of_its_child(void **state)
{
	struct fake f = good();

	(void)state;
	f.fault_at = guest_checks(&f.features);
	f.crash = true;
	says(f, "the probe ended at hlt: killed by SIGKILL");
}

/* The good fake shows that the guest passes; this, that it doesn't by doing nothing. */
static void checks_are_no_formality(void **state)
{
	const struct guest_features features = this_cpu();
	_cleanup_(free) uint8_t *memory = xcalloc(1, GUEST_MEMORY_SIZE);

	(void)state;
	guest_prepare_checks(&features, memory);
	for (size_t i = 0; i < guest_checks(&features); i++)
		assert_false(guest_check_passed(&features, memory, i));
}

static char *probe_device(const char *device)
{
	_cleanup_(kvm_probe_destroy) struct kvm_probe *p = NULL;
	char *why = NULL;

	assert_null(kvm_probe_start(device, &p));
	assert_null(kvm_probe_finish(p, &why));
	return why;
}

static void tries_what_is_no_kvm(void **state)
{
	char *why;

	(void)state;
	why = probe_device("/dev/null");
	assert_string_equal(why, "KVM refuses KVM_GET_API_VERSION: Inappropriate ioctl for device");
	free(why);
	why = probe_device("/nonexistent/kvm");
	assert_string_equal(why, "no /nonexistent/kvm: the CPU's virtualisation is off or KVM isn't loaded");
	free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_good_kvm_good),
		cmocka_unit_test(leaves_out_what_the_cpu_lacks),
		cmocka_unit_test(says_why_the_device_does_not_open),
		cmocka_unit_test(names_the_call_that_fails),
		cmocka_unit_test(notices_a_strange_kvm),
		cmocka_unit_test(names_the_instruction_that_fails),
		cmocka_unit_test(notices_a_refused_entry),
		cmocka_unit_test(notices_a_wrong_result),
		cmocka_unit_test(ends_a_kvm_that_hangs),
		cmocka_unit_test(ends_what_nobody_waits_for),
		cmocka_unit_test(survives_the_death_of_its_child),
		cmocka_unit_test(checks_are_no_formality),
		cmocka_unit_test(tries_what_is_no_kvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
