/*
 * What agent_expr.py has expressions about: variables of all widths, in memory, in registers and on the stack, at each
 * instruction of a long row of them that do nothing.
 */
#include <stdint.h>

enum colour { RED, GREEN = 7, BLUE = -2 };

struct point {
	int8_t tiny;
	int64_t x;
	uint16_t y;
	struct point *next;
	enum colour colour;
	int array[4];
	int bits_signed : 5;
	unsigned int bits_unsigned : 7;
	unsigned int one : 1;
	long wide_signed : 30;
	unsigned long wide_unsigned : 33;
	char name[8];
} __attribute__((packed));

int8_t s8 = -3, s8_min = INT8_MIN;
uint8_t u8 = 200;
int16_t s16 = -30000;
uint16_t u16 = 60000;
int32_t s32 = -2000000000;
uint32_t u32 = 4000000000;
int64_t s64 = -9000000000000000001;
uint64_t u64 = 18000000000000000001ull;
int zero, one = 1;
_Bool yes = 1;
char letter = 'k';
struct point second = { -7, -70, 700, 0, BLUE, { 5, 6, 7, 8 }, 9, 64, 0, 123456789, 0x1ffffffff, "second" };
struct point first = { 1, 1ll << 40, 65535, &second, GREEN, { -1, -2, -3, -4 }, -16, 127, 1, -5, 1, "first" };
struct point *pointer = &first, *null;
int16_t table[2][3] = { { 1, -2, 3 }, { -4, 5, -6 } };
const char *text = "some text";
/* The linker's: where all of this lies. */
extern const char __executable_start[], _end[];
const char *bounds[] = { __executable_start, _end };

__attribute__((noinline)) static int row(int argument, unsigned char small, long large)
{
	volatile int on_stack[3] = { 11, -22, 33 };
	volatile uint64_t deep = 0xfedcba9876543210;
	register int in_register = argument * 3;
	register unsigned long other = large ^ 0xffff0000;

	/* All are used behind the row: they live as long as it does. */
	__asm__ volatile(".globl row_begin\nrow_begin:\n\t.skip 8192, 0x90\n.globl row_end\nrow_end:\n"
			 :
			 : "r"(in_register), "r"(other), "r"(argument), "r"(small), "r"(large)
			 : "memory");
	return in_register + (int)other + argument + small + (int)large + on_stack[1] + (int)deep;
}

int main(void)
{
	return row(-5, 250, -1234567890123) == 42;
}
