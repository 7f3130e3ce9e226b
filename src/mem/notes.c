#include "mem/notes.h"

#include "base/util.h"

enum { VERSION_WITH_NOTES = 4, BLOCK = 4096, NOTE_HEAD = 12, TYPE_PRSTATUS = 1, PRSTATUS_REGS = 112 };

/* Offsets in struct disk_dump_header, and in the header that follows it. */
enum { HEAD_VERSION = 8, HEAD_BLOCK = 428, SUB_NOTES = BLOCK + 48, SUB_NOTES_SIZE = BLOCK + 56 };

/* struct user_regs_struct; what isn't in here has REGISTERS_N. */
static const uint8_t order[] = {
	REGISTER_R15, REGISTER_R14, REGISTER_R13, REGISTER_R12, REGISTER_RBP, REGISTER_RBX, REGISTER_R11,
	REGISTER_R10, REGISTER_R9,  REGISTER_R8,  REGISTER_RAX, REGISTER_RCX, REGISTER_RDX, REGISTER_RSI,
	REGISTER_RDI, REGISTERS_N,  REGISTER_RIP, REGISTERS_N,  REGISTERS_N,  REGISTER_RSP,
};

enum { ORDER_CS = 17, PRSTATUS_LEAST = PRSTATUS_REGS + 8 * (int)ARRAY_SIZE(order) };

static uint32_t get32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

bool notes_place(const void *head, size_t len, uint64_t *ret_offset, uint64_t *ret_size)
{
	const uint8_t *at = head;

	if (len < NOTES_HEAD || memcmp(at, "KDUMP   ", 8) != 0 || get32(at + HEAD_VERSION) < VERSION_WITH_NOTES ||
	    get32(at + HEAD_BLOCK) != BLOCK)
		return false;
	*ret_offset = get64(at + SUB_NOTES);
	*ret_size = get64(at + SUB_NOTES_SIZE);
	return *ret_offset && *ret_size;
}

static void take_prstatus(const uint8_t *regs, struct cpu_registers *ret)
{
	*ret = (struct cpu_registers){ .cs = get64(regs + (size_t)8 * ORDER_CS) & UINT16_MAX };
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] != REGISTERS_N)
			register_set(&ret->r, (enum register_number)order[i], get64(regs + 8 * i));
	}
}

bool notes_registers(const void *notes, size_t len, uint32_t n, struct cpu_registers *ret)
{
	const uint8_t *at = notes;

	while (len >= NOTE_HEAD) {
		uint64_t name = get32(at), size = get32(at + 4), type = get32(at + 8);
		uint64_t name_room = (name + 3) & ~UINT64_C(3),
			 room = NOTE_HEAD + name_room + ((size + 3) & ~UINT64_C(3));

		if (room > len)
			return false;
		if (type == TYPE_PRSTATUS && name == 5 && memcmp(at + NOTE_HEAD, "CORE", 5) == 0 &&
		    size >= PRSTATUS_LEAST && !n--) {
			take_prstatus(at + NOTE_HEAD + name_room + PRSTATUS_REGS, ret);
			return true;
		}
		at += room;
		len -= room;
	}
	return false;
}
