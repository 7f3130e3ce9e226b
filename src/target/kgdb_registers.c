#include <string.h>

#include "base/util.h"
#include "target/kgdb_private.h"

static void put(struct buf *b, const char *name, unsigned int bits, const char *type)
{
	buf_printf(b, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", name, bits, type);
}

static void put_all(struct buf *b, const char *const names[], size_t n, unsigned int bits, const char *type)
{
	for (size_t i = 0; i < n; i++)
		put(b, names[i], bits, type);
}

static void put_numbered(struct buf *b, const char *name, unsigned int n, unsigned int bits, const char *type)
{
	for (unsigned int i = 0; i < n; i++)
		buf_printf(b, "<reg name=\"%s%u\" bitsize=\"%u\" type=\"%s\"/>", name, i, bits, type);
}

/*
 * GDB's numbers and sizes (features/i386/64bit-core.xml, 64bit-sse.xml); the kernel's are the same up to gs (enum regnames in
 * arch/x86/include/asm/kgdb.h).
 */
void kgdb_describe(struct buf *ret)
{
	static const char *const general[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi" };
	static const char *const pointers[] = { "rbp", "rsp" };
	static const char *const segments[] = { "cs", "ss", "ds", "es", "fs", "gs" };
	static const char *const fpu[] = { "fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop" };

	buf_puts(ret, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
		      "<target version=\"1.0\"><architecture>i386:x86-64</architecture>"
		      "<feature name=\"org.gnu.gdb.i386.core\">");
	put_all(ret, general, ARRAY_SIZE(general), 64, "int64");
	put_all(ret, pointers, ARRAY_SIZE(pointers), 64, "data_ptr");
	for (unsigned int i = 8; i < 16; i++)
		buf_printf(ret, "<reg name=\"r%u\" bitsize=\"64\" type=\"int64\"/>", i);
	put(ret, "rip", 64, "code_ptr");
	put(ret, "eflags", 32, "int32");
	put_all(ret, segments, ARRAY_SIZE(segments), 32, "int32");
	put_numbered(ret, "st", 8, 80, "i387_ext");
	for (size_t i = 0; i < ARRAY_SIZE(fpu); i++)
		buf_printf(ret, "<reg name=\"%s\" bitsize=\"32\" type=\"int\" group=\"float\"/>", fpu[i]);
	buf_puts(ret, "</feature><feature name=\"org.gnu.gdb.i386.sse\">"
		      "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>");
	put_numbered(ret, "xmm", 16, 128, "v16i8");
	buf_puts(ret, "<reg name=\"mxcsr\" bitsize=\"32\" type=\"int\" group=\"vector\"/></feature></target>");
}

void kgdb_take_registers(const void *bytes, struct cpu_registers *ret)
{
	static const enum register_number sent[] = {
		REGISTER_RAX, REGISTER_RBX, REGISTER_RCX, REGISTER_RDX, REGISTER_RSI, REGISTER_RDI,
		REGISTER_RBP, REGISTER_RSP, REGISTER_R8,  REGISTER_R9,  REGISTER_R10, REGISTER_R11,
		REGISTER_R12, REGISTER_R13, REGISTER_R14, REGISTER_R15, REGISTER_RIP,
	};
	enum { CS_AT = ARRAY_SIZE(sent) * 8 + 4 };
	uint32_t cs;

	_Static_assert(CS_AT + sizeof(cs) <= KGDB_SENT_BYTES, "cs is sent");
	*ret = (struct cpu_registers){ .cs = 0 };
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		uint64_t value;

		memcpy(&value, (const uint8_t *)bytes + i * sizeof(value), sizeof(value));
		register_set(&ret->r, sent[i], value);
	}
	memcpy(&cs, (const uint8_t *)bytes + CS_AT, sizeof(cs));
	ret->cs = cs;
}
