/*
 * What is in payloads: numbers, bytes, thread ids; and what isn't one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/packet.h"
#include "rsp/payload.h"

static struct rsp_reader on(const char *text)
{
	return rsp_reader_on(text, strlen(text));
}

static void assert_left(const struct rsp_reader *r, const char *rest)
{
	assert_int_equal(rsp_left(r), strlen(rest));
	assert_memory_equal(r->p, rest, strlen(rest));
}

static void test_text(void **state)
{
	struct rsp_reader r = on("qXfer:features:read:target.xml:0,fff");

	(void)state;
	assert_false(rsp_read_text(&r, "qXfer:feat:"));
	assert_true(rsp_read_text(&r, "qXfer:features:"));
	assert_false(rsp_read_char(&r, 'w'));
	assert_true(rsp_read_char(&r, 'r'));
	assert_true(rsp_rest_is(&r, "ead:target.xml:0,fff"));
	assert_false(rsp_rest_is(&r, "ead:target.xml:0,ff"));
	assert_false(rsp_rest_is(&r, "ead:target.xml:0,ffff"));
	assert_left(&r, "ead:target.xml:0,fff");
	r = on("");
	assert_true(rsp_at_end(&r));
	assert_false(rsp_read_char(&r, '\0'));
	assert_true(rsp_read_text(&r, ""));
	r = rsp_reader_on(NULL, 0);
	assert_true(rsp_at_end(&r) && !rsp_read_char(&r, 'x') && rsp_rest_is(&r, ""));
}

static void test_fields(void **state)
{
	static const char *const expected[] = { "multiprocess+", "", "xmlRegisters=i386" };
	struct rsp_reader r = on("multiprocess+;;xmlRegisters=i386"), field;
	size_t n = 0;

	(void)state;
	while (rsp_read_field(&r, ';', &field))
		assert_left(&field, expected[n++]);
	assert_int_equal(n, ARRAY_SIZE(expected));
	/* One that ends in the separator has no empty field behind it. */
	r = on("c;");
	assert_true(rsp_read_field(&r, ';', &field));
	assert_left(&field, "c");
	assert_false(rsp_read_field(&r, ';', &field));
}

static void test_numbers(void **state)
{
	uint64_t n = 7, m = 7;
	struct rsp_reader r = on("00fFffFFFFffffffff,");

	(void)state;
	assert_true(rsp_read_hex(&r, &n));
	assert_true(n == UINT64_MAX);
	assert_left(&r, ",");
	n = 7;
	assert_false(rsp_read_hex(&r, &n));
	r = on("10000000000000000");
	assert_false(rsp_read_hex(&r, &n));
	assert_left(&r, "10000000000000000");
	assert_true(n == 7);
	r = on("x1");
	assert_false(rsp_read_hex(&r, &n));
	r = on("-1");
	assert_false(rsp_read_hex(&r, &n));
	r = on("18446744073709551615a");
	assert_true(rsp_read_decimal(&r, &n));
	assert_true(n == UINT64_MAX);
	assert_left(&r, "a");
	assert_false(rsp_read_decimal(&r, &n));
	r = on("18446744073709551616");
	assert_false(rsp_read_decimal(&r, &n));
	r = on("ffffffff81000000,40:rest");
	assert_true(rsp_read_range(&r, &n, &m));
	assert_true(n == 0xffffffff81000000 && m == 0x40);
	assert_left(&r, ":rest");
	r = on("10,");
	assert_false(rsp_read_range(&r, &n, &m));
	assert_left(&r, "10,");
	assert_true(n == 0xffffffff81000000);
}

static void test_hex_bytes(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	unsigned char bytes[4] = { 9, 9, 9, 9 };
	struct rsp_reader r = on("00fFa1;zz");

	(void)state;
	assert_false(rsp_read_hex_bytes(&r, bytes, 4));
	assert_false(rsp_read_hex_bytes(&r, bytes, SIZE_MAX));
	assert_int_equal(bytes[0], 9);
	assert_true(rsp_read_hex_bytes(&r, bytes, 2));
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(bytes[2], 9);
	assert_true(rsp_read_hex_data(&r, 1, &b));
	assert_true(b.len == 1 && (unsigned char)b.data[0] == 0xa1);
	assert_left(&r, ";zz");
	assert_true(rsp_read_hex_data(&r, 0, &b));
	assert_int_equal(b.len, 1);
	r = on("616");
	assert_false(rsp_read_hex_data(&r, 10, &b));
	r = on("6162");
	assert_false(rsp_read_hex_data(&r, 1, &b));
	assert_true(rsp_read_hex_data(&r, 2, &b));
	assert_string_equal(buf_str(&b) + 1, "ab");
	/* A character with the highest bit set is no index below the table. */
	r = on("\xff\xff");
	assert_false(rsp_read_hex_bytes(&r, bytes, 1));
}

static void test_threads(void **state)
{
	static const struct {
		const char *text;
		int64_t pid, tid;
		const char *written; /* NULL: as it was read */
	} good[] = {
		{ "1f", RSP_ANY, 0x1f, NULL },         { "0", RSP_ANY, RSP_ANY, NULL },
		{ "-1", RSP_ANY, RSP_ALL, NULL },      { "p1.2", 1, 2, NULL },
		{ "pa.-1", 10, RSP_ALL, NULL },        { "pa", 10, RSP_ALL, "pa.-1" },
		{ "p-1", RSP_ALL, RSP_ALL, "p-1.-1" }, { "7fffffffffffffff", RSP_ANY, INT64_MAX, NULL },
	};
	static const char *const bad[] = { "",     "p",   "x",     "-2",
					   "p.1",  "p1.", "p1.x",  "8000000000000000",
					   "p1.-", "-",   "p1.p2", "10000000000000001" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT;
		_cleanup_(free) char *text = xasprintf("%s;c", good[i].text);
		struct rsp_reader r = on(text);
		struct rsp_thread t;

		assert_true(rsp_read_thread(&r, &t));
		assert_left(&r, ";c");
		assert_true(t.pid == good[i].pid && t.tid == good[i].tid);
		rsp_put_thread(&b, t);
		assert_string_equal(buf_str(&b), good[i].written ? good[i].written : good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rsp_reader r = on(bad[i]);
		struct rsp_thread t = { 5, 6 };

		assert_false(rsp_read_thread(&r, &t));
		assert_left(&r, bad[i]);
		assert_true(t.pid == 5 && t.tid == 6);
	}
}

static void test_writing(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	rsp_put_hex(&b, 0);
	buf_putc(&b, ' ');
	rsp_put_hex(&b, 0x10a);
	buf_putc(&b, ' ');
	rsp_put_hex(&b, UINT64_MAX);
	buf_putc(&b, ' ');
	rsp_put_hex_bytes(&b, "\0\xff", 2);
	rsp_put_hex_bytes(&b, NULL, 0);
	rsp_put_hex_text(&b, " Cpu0");
	assert_string_equal(buf_str(&b), "0 10a ffffffffffffffff 00ff2043707530");
}

/* What fits is what comes out as no more than that on the wire. */
static void test_binary(void **state)
{
	static const char bytes[] = "ab#c}*$";
	static const size_t fits[] = { 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7 };

	(void)state;
	for (size_t max = 0; max < ARRAY_SIZE(fits); max++) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT, packet = BUF_INIT;

		assert_int_equal(rsp_put_binary(&b, bytes, strlen(bytes), max), fits[max]);
		assert_int_equal(b.len, fits[max]);
		assert_memory_equal(buf_str(&b), bytes, b.len);
		rsp_encode(&packet, buf_str(&b), b.len, false);
		assert_in_range(packet.len, 4, 4 + max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),      cmocka_unit_test(test_fields),  cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hex_bytes), cmocka_unit_test(test_threads), cmocka_unit_test(test_writing),
		cmocka_unit_test(test_binary),
	};

	return cmocka_run_group_tests_name("rsp_payload", tests, NULL, NULL);
}
