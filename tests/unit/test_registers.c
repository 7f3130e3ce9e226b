/*
 * The registers that QEMU's monitor prints, in 64-bit mode and before, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/procfs.h>
#include <sys/user.h>

#include "base/util.h"
#include "vm/registers.h"

/* QEMU 7.2; a CPU that runs in the kernel. */
static const char long_mode[] =
	"\r\nCPU#1\r\n"
	"RAX=0000000000000001 RBX=ffff888003b04000 RCX=0000000000000003 RDX=0000000000000004\r\n"
	"RSI=0000000000000005 RDI=0000000000000006 RBP=0000000000000007 RSP=ffffc9000008bed8\r\n"
	"R8 =0000000000000008 R9 =0000000000000009 R10=000000000000000a R11=000000000000000b\r\n"
	"R12=000000000000000c R13=000000000000000d R14=000000000000000e R15=fedcba9876543210\r\n"
	"RIP=ffffffff8170b1ff RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
	"ES =0000 0000000000000000 ffffffff 00000000\r\n"
	"CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n"
	"SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
	"DS =0001 0000000000000000 ffffffff 00000000\r\n"
	"FS =0002 0000000000404398 ffffffff 00000000\r\n"
	"GS =0003 ffff88801f500000 ffffffff 00000000\r\n"
	"LDT=0000 0000000000000000 ffffffff 00000000\r\n"
	"TR =0040 fffffe0000048000 00004087 00008b00 DPL=0 TSS64-busy\r\n"
	"GDT=     fffffe0000046000 0000007f\r\n"
	"IDT=     fffffe0000000000 00000fff\r\n"
	"CR0=80050033 CR2=00007ffc0b5adff8 CR3=0000000003a9e000 CR4=00750ef0\r\n"
	"DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 \r\n"
	"EFER=0000000000000d01\r\n";

static const char real_mode[] = "\r\nCPU#0\r\n"
				"EAX=00000001 EBX=00000002 ECX=00000003 EDX=00060fb1\r\n"
				"ESI=00000004 EDI=00000005 EBP=00000006 ESP=00000007\r\n"
				"EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
				"ES =0000 00000000 0000ffff 00009300\r\n"
				"CS =f000 ffff0000 0000ffff 00009b00\r\n"
				"SS =0000 00000000 0000ffff 00009300\r\n"
				"DS =0000 00000000 0000ffff 00009300\r\n"
				"FS =0000 00000000 0000ffff 00009300\r\n"
				"GS =0000 00000000 0000ffff 00009300\r\n"
				"CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n";

static void long_mode_is_understood(void **state)
{
	struct vm_registers r;

	(void)state;
	assert_null(vm_registers_parse(long_mode, strlen(long_mode), &r));
	assert_int_equal(r.general[VM_RAX], 1);
	assert_int_equal(r.general[VM_RBX], UINT64_C(0xffff888003b04000));
	assert_int_equal(r.general[VM_RCX], 3);
	assert_int_equal(r.general[VM_RDX], 4);
	assert_int_equal(r.general[VM_RSI], 5);
	assert_int_equal(r.general[VM_RDI], 6);
	assert_int_equal(r.general[VM_RBP], 7);
	assert_int_equal(r.general[VM_RSP], UINT64_C(0xffffc9000008bed8));
	for (uint64_t i = VM_R8; i < VM_R15; i++)
		assert_int_equal(r.general[i], i);
	assert_int_equal(r.general[VM_R15], UINT64_C(0xfedcba9876543210));
	assert_int_equal(r.rip, UINT64_C(0xffffffff8170b1ff));
	assert_int_equal(r.rflags, 0x246);
	assert_int_equal(r.cs, 0x10);
	assert_int_equal(r.ss, 0x18);
	assert_int_equal(r.es, 0);
	assert_int_equal(r.ds, 1);
	assert_int_equal(r.fs, 2);
	assert_int_equal(r.gs, 3);
	assert_int_equal(r.fs_base, 0x404398);
	assert_int_equal(r.gs_base, UINT64_C(0xffff88801f500000));
	assert_int_equal(r.cr0, 0x80050033);
	assert_int_equal(r.cr2, UINT64_C(0x7ffc0b5adff8));
	assert_int_equal(r.cr3, 0x3a9e000);
	assert_int_equal(r.cr4, 0x750ef0);
	assert_false(r.user);
}

static void a_cpu_at_its_first_instruction_is_understood(void **state)
{
	struct vm_registers r;

	(void)state;
	assert_null(vm_registers_parse(real_mode, strlen(real_mode), &r));
	assert_int_equal(r.general[VM_RAX], 1);
	assert_int_equal(r.general[VM_RSP], 7);
	assert_int_equal(r.general[VM_R8], 0);
	assert_int_equal(r.rip, 0xfff0);
	assert_int_equal(r.rflags, 2);
	assert_int_equal(r.cs, 0xf000);
	assert_int_equal(r.cr0, 0x60000010);
}

static void a_program_is_told_from_the_kernel(void **state)
{
	_cleanup_(free) char *text = xstrdup(long_mode);
	struct vm_registers r;

	(void)state;
	*(strstr(text, "CPL=") + 4) = '3';
	assert_null(vm_registers_parse(text, strlen(text), &r));
	assert_true(r.user);
}

/* Whatever is cut off is missed; the last that is needed is CR4. */
static void what_is_cut_off_is_an_error(void **state)
{
	const size_t enough = (size_t)(strstr(long_mode, "CR4=") - long_mode) + 5;

	(void)state;
	for (size_t n = 0; n < enough; n++) {
		_cleanup_(free) char *text = xstrndup(long_mode, n);
		struct vm_registers r = { .rip = 77 };
		_cleanup_(err_destroy) struct err *e = vm_registers_parse(text, n, &r);

		assert_int_equal(err_code(e), ERR_BAD_DATA);
		assert_int_equal(r.rip, 77);
	}
}

static void nonsense_is_an_error(void **state)
{
	static const struct {
		const char *at, *instead, *says;
	} cases[] = {
		{ "R8 =0", "R8 =x", "no R8" },
		{ "RIP=f", "RIP=F", "no RIP" },
		{ "CS =0010", "CS =0010-", "no CS" },
		{ "GS =0003 ffff88801f500000", "GS =0003 ffff88801f5000001", "no GS" },
		{ "FS =0002", "FS =10002", "no FS" },
		{ "CR3=", "xCR3=", "no CR3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(long_mode, cases[i].at);
		_cleanup_(free) char *text = xasprintf("%.*s%s%s", (int)(at - long_mode), long_mode, cases[i].instead,
						       at + strlen(cases[i].at));
		struct vm_registers r;
		_cleanup_(err_destroy) struct err *e = vm_registers_parse(text, strlen(text), &r);

		assert_int_equal(err_code(e), ERR_BAD_DATA);
		assert_non_null(strstr(err_message(e), cases[i].says));
	}
}

static void a_note_has_them_where_linux_does(void **state)
{
	struct elf_prstatus note;
	uint8_t bytes[VM_PRSTATUS_SIZE];
	struct vm_registers r;
	const struct user_regs_struct *regs = (const struct user_regs_struct *)&note.pr_reg;

	(void)state;
	assert_null(vm_registers_parse(long_mode, strlen(long_mode), &r));
	vm_registers_prstatus(&r, 2, bytes);
	assert_int_equal(sizeof(note), sizeof(bytes));
	memcpy(&note, bytes, sizeof(note));
	assert_int_equal(note.pr_pid, 2);
	assert_int_equal(regs->rip, r.rip);
	assert_int_equal(regs->rsp, r.general[VM_RSP]);
	assert_int_equal(regs->rbp, 7);
	assert_int_equal(regs->rax, 1);
	assert_int_equal(regs->rdi, 6);
	assert_int_equal(regs->r15, UINT64_C(0xfedcba9876543210));
	assert_int_equal(regs->r8, 8);
	assert_int_equal(regs->eflags, 0x246);
	assert_int_equal(regs->cs, 0x10);
	assert_int_equal(regs->ss, 0x18);
	assert_int_equal(regs->gs, 3);
	assert_int_equal(regs->gs_base, r.gs_base);
	assert_int_equal(regs->orig_rax, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_mode_is_understood),
		cmocka_unit_test(a_cpu_at_its_first_instruction_is_understood),
		cmocka_unit_test(a_program_is_told_from_the_kernel),
		cmocka_unit_test(what_is_cut_off_is_an_error),
		cmocka_unit_test(nonsense_is_an_error),
		cmocka_unit_test(a_note_has_them_where_linux_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
