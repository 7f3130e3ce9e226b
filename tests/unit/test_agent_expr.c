/*
 * Agent expressions: what each bytecode does, how each error ends an evaluation, what a check refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "server/agent_expr.h"

#define CODE(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#define MINUS_1 0x22, 0xff, 0x16, 8 /* const8 255, ext 8 */

enum { MEMORY = 0x1000 };

static const uint8_t memory[] = { 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 'h', 'e', 'l', 'l', 'o', '\0' };

static bool read_memory(void *user, uint64_t address, void *ret, size_t len)
{
	(void)user;
	/* All of the block that the string is in can be read; what is behind is 0. */
	if (address < MEMORY || address - MEMORY >= 64 || len > 64 - (address - MEMORY))
		return false;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = address - MEMORY + i < sizeof(memory) ? memory[address - MEMORY + i] : 0;
	return true;
}

static bool read_register(void *user, unsigned int number, uint64_t *ret)
{
	(void)user;
	*ret = UINT64_C(0xfedc000000000000) + number;
	return number < 0x200;
}

static int64_t variable;

static bool get_variable(void *user, unsigned int number, int64_t *ret)
{
	(void)user;
	*ret = variable;
	return number == 0x102;
}

static bool set_variable(void *user, unsigned int number, int64_t value)
{
	(void)user;
	variable = value;
	return number == 0x102;
}

static void output(void *user, const char *text, size_t len)
{
	buf_append(user, text, len);
}

static const struct agent_env env = {
	.read_memory = read_memory,
	.read_register = read_register,
	.get_variable = get_variable,
	.set_variable = set_variable,
};

/* The value; the program is sound. */
static uint64_t value_of(const uint8_t *code, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(agent_check(code, len, true, NULL), AGENT_OK);
	assert_int_equal(agent_run(code, len, &env, AGENT_STEPS_MAX, &value, NULL), AGENT_OK);
	return value;
}

#define expect(value, ...) assert_int_equal(value_of(CODE(__VA_ARGS__, 0x27)), (uint64_t)(value))

static void constants(void **state)
{
	(void)state;
	expect(0xff, 0x22, 0xff);
	expect(0xff01, 0x23, 0xff, 1);
	expect(0xff010203, 0x24, 0xff, 1, 2, 3);
	expect(0xff01020304050607, 0x25, 0xff, 1, 2, 3, 4, 5, 6, 7);
}

static void arithmetic(void **state)
{
	(void)state;
	expect(9, 0x22, 7, 0x22, 2, 0x02);
	expect(5, 0x22, 7, 0x22, 2, 0x03);
	expect(-5, 0x22, 2, 0x22, 7, 0x03);
	expect(14, 0x22, 7, 0x22, 2, 0x04);
	expect(-7, 0x22, 7, MINUS_1, 0x04);
	expect(-3, 0x22, 0xf9, 0x16, 8, 0x22, 2, 0x05); /* -7 / 2 */
	expect(0x7ffffffffffffffc, 0x22, 0xf9, 0x16, 8, 0x22, 2, 0x06);
	expect(-1, 0x22, 0xf9, 0x16, 8, 0x22, 2, 0x07);
	expect(1, 0x22, 0xf9, 0x16, 8, 0x22, 2, 0x08);
	expect(0x10, 0x22, 1, 0x22, 4, 0x09);
	expect(-1, MINUS_1, 0x22, 4, 0x0a);
	expect(0x0fffffffffffffff, MINUS_1, 0x22, 4, 0x0b);
	expect(0, 0x22, 5, 0x0e);
	expect(1, 0x22, 0, 0x0e);
	expect(8, 0x22, 12, 0x22, 10, 0x0f);
	expect(14, 0x22, 12, 0x22, 10, 0x10);
	expect(6, 0x22, 12, 0x22, 10, 0x11);
	expect(-13, 0x22, 12, 0x12);
	expect(1, 0x22, 12, 0x22, 12, 0x13);
	expect(0, 0x22, 12, 0x22, 13, 0x13);
	expect(1, MINUS_1, 0x22, 1, 0x14);
	expect(0, 0x22, 1, 0x22, 1, 0x14);
	expect(0, MINUS_1, 0x22, 1, 0x15);
	expect(1, 0x22, 0, 0x22, 1, 0x15);
}

/* Where C leaves it open, and a CPU may raise an exception. */
static void arithmetic_at_its_limits(void **state)
{
	(void)state;
	expect(INT64_MIN, 0x25, 0x80, 0, 0, 0, 0, 0, 0, 0, MINUS_1, 0x05);
	expect(0, 0x25, 0x80, 0, 0, 0, 0, 0, 0, 0, MINUS_1, 0x07);
	expect(INT64_MIN, 0x25, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x22, 1, 0x02);
	expect(0, 0x22, 1, 0x22, 64, 0x09);
	expect(0, 0x22, 1, MINUS_1, 0x09);
	expect(-1, MINUS_1, 0x22, 64, 0x0a);
	expect(0, 0x22, 1, 0x22, 200, 0x0a);
	expect(0, MINUS_1, 0x22, 64, 0x0b);
}

static void extension(void **state)
{
	(void)state;
	expect(-128, 0x22, 0x80, 0x16, 8);
	expect(0x7f, 0x23, 1, 0x7f, 0x16, 8);
	expect(-1, 0x22, 1, 0x16, 1);
	expect(0, 0x22, 5, 0x16, 0);
	expect(-(INT64_C(1) << 39), 0x25, 0, 0, 0, 0x80, 0, 0, 0, 0, 0x16, 40);
	expect(-1, MINUS_1, 0x16, 63);
	expect(0x80, 0x22, 0x80, 0x16, 64);
	expect(0x80, 0x22, 0x80, 0x16, 255);
	expect(0xff, MINUS_1, 0x2a, 8);
	expect(0, MINUS_1, 0x2a, 0);
	expect(0x7fffffffffffffff, MINUS_1, 0x2a, 63);
	expect(-1, MINUS_1, 0x2a, 64);
}

static void the_stack(void **state)
{
	(void)state;
	expect(14, 0x22, 7, 0x28, 0x02);                  /* dup */
	expect(7, 0x22, 7, 0x22, 2, 0x29);                /* pop */
	expect(-5, 0x22, 7, 0x22, 2, 0x2b, 0x03);         /* swap */
	expect(2, 0x22, 2, 0x32, 0);                      /* pick 0: dup */
	expect(1, 0x22, 1, 0x22, 2, 0x22, 3, 0x32, 2);    /* pick 2 */
	expect(2, 0x22, 1, 0x22, 2, 0x22, 3, 0x33);       /* rot: 3 1 2 */
	expect(1, 0x22, 1, 0x22, 2, 0x22, 3, 0x33, 0x29); /* 3 1 */
	expect(3, 0x22, 1, 0x22, 2, 0x22, 3, 0x33, 0x29, 0x29);
}

static void jumps(void **state)
{
	(void)state;
	expect(7, 0x22, 1, 0x20, 0, 10, 0x22, 5, 0x21, 0, 12, 0x22, 7); /* 1 ? 7 : 5 */
	expect(5, 0x22, 0, 0x20, 0, 10, 0x22, 5, 0x21, 0, 12, 0x22, 7);
	/* A loop: 10 steps down. */
	expect(0, 0x22, 10, 0x22, 1, 0x03, 0x28, 0x20, 0, 2);
}

static void the_target(void **state)
{
	struct agent_env big = env;
	uint64_t value;

	(void)state;
	expect(0x81, 0x23, 0x10, 0, 0x17);
	expect(0x8281, 0x23, 0x10, 0, 0x18);
	expect(0x8382, 0x23, 0x10, 1, 0x18); /* anywhere */
	expect(0x84838281, 0x23, 0x10, 0, 0x19);
	expect(0x8887868584838281, 0x23, 0x10, 0, 0x1a);
	big.big_endian = true;
	assert_int_equal(agent_run(CODE(0x23, 0x10, 0, 0x18, 0x27), &big, 9, &value, NULL), AGENT_OK);
	assert_int_equal(value, 0x8182);
	expect(0xfedc000000000106, 0x26, 1, 6);
	variable = -3;
	expect(-3, 0x2c, 1, 2);
	/* The value stays. */
	expect(8, 0x22, 8, 0x2d, 1, 2);
	assert_int_equal(variable, 8);
}

/* There is nothing that they could be recorded in. */
static void tracing_takes_its_operands(void **state)
{
	(void)state;
	expect(1, 0x22, 1, 0x22, 2, 0x22, 3, 0x0c);
	expect(2, 0x22, 1, 0x22, 2, 0x0d, 9);
	expect(2, 0x22, 1, 0x22, 2, 0x30, 1, 9);
	expect(1, 0x22, 1, 0x22, 2, 0x22, 3, 0x2f);
	expect(1, 0x22, 1, 0x2e, 1, 2);
}

/* --- Errors -------------------------------------------------------------------------------------------------------- */

static struct agent_trouble trouble;

static enum agent_result run(const uint8_t *code, size_t len)
{
	uint64_t value = 77;
	enum agent_result r;

	trouble = (struct agent_trouble){ .at = 999 };
	r = agent_run(code, len, &env, AGENT_STEPS_MAX, &value, &trouble);
	assert_true(r == AGENT_OK || value == 77);
	return r;
}

#define expect_failure(result, where, operand, ...)                                                                    \
	do {                                                                                                           \
		assert_int_equal(run(CODE(__VA_ARGS__)), result);                                                      \
		assert_int_equal(trouble.at, where);                                                                   \
		assert_int_equal(trouble.what, operand);                                                               \
	} while (0)

static void evaluations_that_end_early(void **state)
{
	(void)state;
	expect_failure(AGENT_DIVISION_BY_ZERO, 4, 0, 0x22, 1, 0x22, 0, 0x05, 0x27);
	expect_failure(AGENT_DIVISION_BY_ZERO, 4, 0, 0x22, 1, 0x22, 0, 0x06, 0x27);
	expect_failure(AGENT_DIVISION_BY_ZERO, 4, 0, 0x22, 1, 0x22, 0, 0x07, 0x27);
	expect_failure(AGENT_DIVISION_BY_ZERO, 4, 0, 0x22, 1, 0x22, 0, 0x08, 0x27);
	expect_failure(AGENT_FAULT, 2, 5, 0x22, 5, 0x17, 0x27);
	expect_failure(AGENT_FAULT, 3, 0x103d, 0x23, 0x10, 0x3d, 0x19, 0x27);
	expect_failure(AGENT_BAD_REGISTER, 0, 0x200, 0x26, 2, 0, 0x27);
	expect_failure(AGENT_BAD_VARIABLE, 0, 3, 0x2c, 0, 3, 0x27);
	expect_failure(AGENT_BAD_VARIABLE, 2, 3, 0x22, 0, 0x2d, 0, 3, 0x27);
	expect_failure(AGENT_TOO_MANY_STEPS, 0, 0, 0x21, 0, 0);
	for (unsigned int op = 0x1b; op <= 0x1f; op++)
		expect_failure(AGENT_UNSUPPORTED, 2, 0, 0x22, 1, (uint8_t)op, 0x27);
	expect_failure(AGENT_UNSUPPORTED, 0, 0, 0x01, 0x27);
}

static void without_callbacks_there_are_no_variables(void **state)
{
	const struct agent_env bare = { .read_memory = read_memory, .read_register = read_register };

	(void)state;
	assert_int_equal(agent_run(CODE(0x2c, 1, 2, 0x27), &bare, 9, NULL, NULL), AGENT_BAD_VARIABLE);
	assert_int_equal(agent_run(CODE(0x22, 1, 0x2d, 1, 2, 0x27), &bare, 9, NULL, NULL), AGENT_BAD_VARIABLE);
	assert_int_equal(agent_run(CODE(0x22, 0, 0x28, 0x34, 0, 0, 2, 'x', 0, 0x27), &bare, 9, NULL, NULL), AGENT_OK);
}

static void steps_are_counted(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(agent_run(CODE(0x22, 1, 0x22, 2, 0x02, 0x27), &env, 3, &value, NULL), AGENT_OK);
	assert_int_equal(agent_run(CODE(0x22, 1, 0x22, 2, 0x02, 0x27), &env, 2, &value, NULL), AGENT_TOO_MANY_STEPS);
}

/* The same by agent_check(), and by agent_run() of what wasn't checked. */
#define expect_refusal(result, where, ...)                                                                             \
	do {                                                                                                           \
		expect_failure(result, where, 0, __VA_ARGS__);                                                         \
		expect_unsound(result, where, __VA_ARGS__);                                                            \
	} while (0)

#define expect_unsound(result, where, ...)                                                                             \
	do {                                                                                                           \
		assert_int_equal(agent_check(CODE(__VA_ARGS__), true, &trouble), result);                              \
		assert_int_equal(trouble.at, where);                                                                   \
	} while (0)

static void programs_that_are_none(void **state)
{
	static const uint8_t none[1];

	(void)state;
	assert_int_equal(agent_check(none, 0, true, NULL), AGENT_NO_END);
	assert_int_equal(run(none, 0), AGENT_NO_END);
	expect_failure(AGENT_NO_END, 3, 0, 0x22, 1, 0x28);
	expect_unsound(AGENT_NO_END, 2, 0x22, 1, 0x28);
	expect_refusal(AGENT_BAD_BYTECODE, 0, 0);
	expect_refusal(AGENT_BAD_BYTECODE, 2, 0x22, 1, 0x31, 0x27);
	expect_refusal(AGENT_BAD_BYTECODE, 2, 0x22, 1, 0x35, 0x27);
	expect_refusal(AGENT_BAD_BYTECODE, 2, 0x22, 1, 0xff, 0x27);
	expect_refusal(AGENT_BAD_BYTECODE, 0, 0x25, 1, 2, 3, 4, 5, 6, 7);
	expect_refusal(AGENT_BAD_BYTECODE, 2, 0x22, 0, 0x20, 1);
	expect_refusal(AGENT_STACK_UNDERFLOW, 0, 0x27);
	expect_refusal(AGENT_STACK_UNDERFLOW, 2, 0x22, 1, 0x02, 0x27);
	expect_refusal(AGENT_STACK_UNDERFLOW, 2, 0x22, 1, 0x32, 1, 0x27);
	expect_refusal(AGENT_STACK_UNDERFLOW, 4, 0x22, 1, 0x22, 1, 0x33, 0x27);
	expect_refusal(AGENT_STACK_UNDERFLOW, 2, 0x22, 1, 0x34, 0, 0, 1, 0, 0x27);
	expect_unsound(AGENT_UNSUPPORTED, 2, 0x22, 1, 0x1b, 0x27);
}

static void jumps_that_lead_nowhere(void **state)
{
	(void)state;
	expect_unsound(AGENT_BAD_JUMP, 0, 0x21, 0, 9, 0x27);
	expect_failure(AGENT_NO_END, 9, 0, 0x21, 0, 9, 0x27);
	/* Into an operand, which agent_run() takes for a bytecode. */
	expect_unsound(AGENT_BAD_JUMP, 2, 0x22, 0x27, 0x21, 0, 1, 0x27);
	expect_unsound(AGENT_BAD_JUMP, 2, 0x22, 1, 0x20, 0, 1, 0x22, 1, 0x27);
	/* Two ways, two heights; a loop that fills the stack. */
	expect_unsound(AGENT_STACK_UNEVEN, 5, 0x22, 1, 0x20, 0, 7, 0x22, 1, 0x22, 2, 0x27);
	expect_unsound(AGENT_STACK_UNEVEN, 2, 0x22, 1, 0x21, 0, 0);
	expect_failure(AGENT_STACK_OVERFLOW, 0, 0, 0x22, 1, 0x21, 0, 0);
}

static void the_stack_is_bounded(void **state)
{
	uint8_t code[2 * AGENT_STACK_MAX + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(code); i += 2) {
		code[i] = 0x22;
		code[i + 1] = 1;
	}
	code[2 * AGENT_STACK_MAX] = 0x27;
	assert_int_equal(agent_check(code, 2 * AGENT_STACK_MAX + 1, true, NULL), AGENT_OK);
	assert_int_equal(run(code, 2 * AGENT_STACK_MAX + 1), AGENT_OK);
	code[2 * AGENT_STACK_MAX] = 0x28;
	code[2 * AGENT_STACK_MAX + 1] = 0x27;
	assert_int_equal(agent_check(code, 2 * AGENT_STACK_MAX + 2, true, NULL), AGENT_STACK_OVERFLOW);
	assert_int_equal(run(code, 2 * AGENT_STACK_MAX + 2), AGENT_STACK_OVERFLOW);
}

static void the_longest_program(void **state)
{
	_cleanup_(free) uint8_t *code = xcalloc(1, AGENT_CODE_MAX + 1);

	(void)state;
	memset(code, 0x12, AGENT_CODE_MAX + 1); /* bit_not */
	code[0] = 0x22;
	code[AGENT_CODE_MAX - 1] = 0x27;
	assert_int_equal(agent_check(code, AGENT_CODE_MAX, true, NULL), AGENT_OK);
	assert_int_equal(agent_run(code, AGENT_CODE_MAX, &env, UINT32_MAX, NULL, NULL), AGENT_OK);
	assert_int_equal(agent_check(code, AGENT_CODE_MAX + 1, true, NULL), AGENT_TOO_LONG);
	assert_int_equal(agent_run(code, AGENT_CODE_MAX + 1, &env, UINT32_MAX, NULL, NULL), AGENT_TOO_LONG);
}

static void commands_need_no_value(void **state)
{
	(void)state;
	assert_int_equal(agent_check(CODE(0x27), false, NULL), AGENT_OK);
	assert_int_equal(agent_run(CODE(0x27), &env, 9, NULL, NULL), AGENT_OK);
}

/* --- printf -------------------------------------------------------------------------------------------------------- */

static enum agent_result print(struct buf *b, const char *format, size_t n, const uint64_t *args)
{
	_cleanup_(buf_deinit) struct buf code = BUF_INIT;
	struct agent_env printing = env;
	enum agent_result checked, r;
	size_t len = strlen(format) + 1;

	printing.output = output;
	printing.user = b;
	for (size_t i = n; i--;) {
		buf_putc(&code, 0x25);
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_putc(&code, (char)(args[i] >> shift));
	}
	buf_append(&code, "\x22\0\x22", 4); /* const8 0 twice: channel and function */
	buf_putc(&code, 0x34);
	buf_putc(&code, (char)n);
	buf_putc(&code, (char)(len >> 8));
	buf_putc(&code, (char)len);
	buf_append(&code, format, len);
	buf_putc(&code, 0x27);
	checked = agent_check((const uint8_t *)code.data, code.len, false, NULL);
	r = agent_run((const uint8_t *)code.data, code.len, &printing, AGENT_STEPS_MAX, NULL, &trouble);
	assert_true(checked == AGENT_OK ? r != AGENT_BAD_FORMAT : checked == r);
	return r;
}

#define ARGS(...)                                                                                                      \
	ARRAY_SIZE(((const uint64_t[]){ __VA_ARGS__ })), (const uint64_t[])                                            \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define expect_text(text, format, ...)                                                                                 \
	do {                                                                                                           \
		_cleanup_(buf_deinit) struct buf b_ = BUF_INIT;                                                        \
		assert_int_equal(print(&b_, format, __VA_ARGS__), AGENT_OK);                                           \
		assert_string_equal(buf_str(&b_), text);                                                               \
	} while (0)

static void printf_of_text(void **state)
{
	(void)state;
	expect_text("", "", 0, NULL);
	expect_text("plain 100%", "plain 100%%", 0, NULL);
	expect_text("\\\a\b\033\f\n\r\t\v\"", "\\\\\\a\\b\\e\\f\\n\\r\\t\\v\\\"", 0, NULL);
}

static void printf_of_numbers(void **state)
{
	(void)state;
	expect_text("1 2 3", "%d %d %d", ARGS(1, 2, 3));
	expect_text("-1 -1 4294967295", "%d %i %u", ARGS(UINT64_MAX, 0xffffffff, UINT64_MAX));
	expect_text("-1 18446744073709551615", "%ld %lu", ARGS(UINT64_MAX, UINT64_MAX));
	expect_text("-9223372036854775808", "%lld", ARGS(UINT64_C(1) << 63));
	expect_text("ff FFFFFFFFFFFFFFFF 17", "%x %llX %o", ARGS(255, UINT64_MAX, 15));
	expect_text("5 -5 65531", "%zu %hd %hu", ARGS(5, UINT64_C(-5), UINT64_C(-5)));
	expect_text("   42|42   |00042|+42| 42", "%5d|%-5d|%05d|%+d|% d", ARGS(42, 42, 42, 42, 42));
	expect_text("  007|-0007|-007", "%5.3d|%05d|%.3d", ARGS(7, UINT64_C(-7), UINT64_C(-7)));
	expect_text("0x2a 0X2A 052 0 0", "%#x %#X %#o %#x %#o", ARGS(42, 42, 42, 0, 0));
	expect_text("0x00002a|    0x2a", "%#08x|%#8x", ARGS(42, 42));
	expect_text("|0|", "%.0d|%ld|", ARGS(0, 0));
}

static void printf_of_pointers_and_text(void **state)
{
	(void)state;
	expect_text("0x1000 (nil) |    0x1|", "%p %p |%7p|", ARGS(0x1000, 0, 1));
	expect_text("A  B|C  ", "%c%3c|%-3c", ARGS('A', 'B', 'C'));
	expect_text("hello|  hello|hello  |hel|  he", "%s|%7s|%-7s|%.3s|%4.2s",
		    ARGS(MEMORY + 8, MEMORY + 8, MEMORY + 8, MEMORY + 8, MEMORY + 8));
	expect_text("(null)|(n|", "%s|%.2s|", ARGS(0, 0));
	expect_text("||", "|%.0s|", ARGS(MEMORY)); /* nothing is read */
}

static void printf_formats_that_are_none(void **state)
{
	static const char *const formats[] = { "%n",   "%*d",  "%.*d", "%f",    "%Lf",    "%lc",
					       "%ls",  "%hhd", "%Ld",  "%k",    "%",      "%5",
					       "%l",   "%-",   "%.",   "\\",    "\\q",    "%$d",
					       "%1$d", "%#u",  "%+x",  "% o",   "%0s",    "%.1c",
					       "%0p",  "%hs",  "%lp",  "%513d", "%.513d", "%99999999999999999999d" };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		assert_int_equal(print(&b, formats[i], ARGS(MEMORY)), AGENT_BAD_FORMAT);
	assert_int_equal(print(&b, "text %d", 0, NULL), AGENT_BAD_FORMAT);
	assert_int_equal(print(&b, "text", ARGS(1)), AGENT_BAD_FORMAT);
	assert_int_equal(print(&b, "%d", ARGS(1, 2)), AGENT_BAD_FORMAT);
	/* Without an end; with an end in its middle; without anything; longer than the program. */
	expect_unsound(AGENT_BAD_FORMAT, 3, 0x22, 0, 0x28, 0x34, 0, 0, 2, 'a', 'b', 0x27);
	expect_unsound(AGENT_BAD_FORMAT, 3, 0x22, 0, 0x28, 0x34, 0, 0, 3, 'a', 0, 0, 0x27);
	expect_unsound(AGENT_BAD_FORMAT, 3, 0x22, 0, 0x28, 0x34, 0, 0, 0, 0x27);
	expect_unsound(AGENT_BAD_BYTECODE, 3, 0x22, 0, 0x28, 0x34, 0, 0xff, 0xff, 'a', 0);
	/* Nothing of it was printed. */
	assert_int_equal(b.len, 0);
}

static void printf_of_memory_that_is_not_there(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(print(&b, "before %s after", ARGS(0x10)), AGENT_FAULT);
	assert_int_equal(trouble.what, 0x10);
	assert_string_equal(buf_str(&b), "before ");
}

static bool endless(void *user, uint64_t address, void *ret, size_t len)
{
	(void)user;
	(void)address;
	memset(ret, 'x', len);
	return true;
}

static void output_is_bounded(void **state)
{
	/* A loop that prints a string without an end. */
	static const uint8_t loop[] = { 0x22, 1, 0x28, 0x28, 0x34, 1, 0, 3, '%', 's', 0, 0x21, 0, 0, 0x27 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct agent_env e = env;

	(void)state;
	e.read_memory = endless;
	e.output = output;
	e.user = &b;
	assert_int_equal(agent_run(loop, sizeof(loop), &e, 5, NULL, NULL), AGENT_TOO_MANY_STEPS);
	assert_int_equal(b.len, AGENT_STRING_MAX);
	assert_int_equal(agent_run(loop, sizeof(loop), &e, AGENT_STEPS_MAX, NULL, NULL), AGENT_TOO_MUCH_OUTPUT);
	assert_int_equal(b.len, AGENT_STRING_MAX + AGENT_OUTPUT_MAX);
}

/* --- Text ---------------------------------------------------------------------------------------------------------- */

static void disassembly(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	agent_disassemble(
		CODE(0x26, 0, 7, 0x22, 42, 0x13, 0x20, 0, 10, 0x31, 0x34, 1, 0, 4, '%', 'd', '\n', 0, 0x27, 0x24, 1),
		&b);
	assert_string_equal(buf_str(&b), "    0 reg 7\n"
					 "    3 const8 0x2a\n"
					 "    5 equal\n"
					 "    6 if_goto 10\n"
					 "    9 0x31?\n"
					 "   10 printf 1 \"%d\\x0a\"\n"
					 "   18 end\n"
					 "   19 0x24?\n"
					 "   20 float\n");
}

static void descriptions(void **state)
{
	static const uint8_t code[] = { 0x22, 5, 0x17, 0x27 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	agent_describe(run(code, sizeof(code)), &trouble, code, sizeof(code), &b);
	assert_string_equal(buf_str(&b), "memory that can't be read, at 0x5 (ref8, byte 2)");
	buf_clear(&b);
	agent_describe(run(CODE(0x2c, 0, 3, 0x27)), &trouble, CODE(0x2c, 0, 3, 0x27), &b);
	assert_string_equal(buf_str(&b), "an unknown trace state variable, number 3 (getv, byte 0)");
	buf_clear(&b);
	agent_describe(run(CODE(0x31)), &trouble, CODE(0x31), &b);
	assert_string_equal(buf_str(&b), "an unknown bytecode, or one that is cut off (byte 0)");
	for (int r = AGENT_OK; r <= AGENT_UNSUPPORTED; r++)
		assert_true(strlen(agent_result_text((enum agent_result)r)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(arithmetic_at_its_limits),
		cmocka_unit_test(extension),
		cmocka_unit_test(the_stack),
		cmocka_unit_test(jumps),
		cmocka_unit_test(the_target),
		cmocka_unit_test(tracing_takes_its_operands),
		cmocka_unit_test(evaluations_that_end_early),
		cmocka_unit_test(without_callbacks_there_are_no_variables),
		cmocka_unit_test(steps_are_counted),
		cmocka_unit_test(programs_that_are_none),
		cmocka_unit_test(jumps_that_lead_nowhere),
		cmocka_unit_test(the_stack_is_bounded),
		cmocka_unit_test(the_longest_program),
		cmocka_unit_test(commands_need_no_value),
		cmocka_unit_test(printf_of_text),
		cmocka_unit_test(printf_of_numbers),
		cmocka_unit_test(printf_of_pointers_and_text),
		cmocka_unit_test(printf_formats_that_are_none),
		cmocka_unit_test(printf_of_memory_that_is_not_there),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(disassembly),
		cmocka_unit_test(descriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
