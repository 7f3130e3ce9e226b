/*
 * Telnet of a serial line: commands are taken out and answered, the line's bytes are not touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "vm/telnet.h"

struct seen {
	struct telnet telnet;
	struct buf data, answer;
};

static int set_up(void **state)
{
	*state = xcalloc(1, sizeof(struct seen));
	return 0;
}

static int tear_down(void **state)
{
	struct seen *s = *state;

	buf_deinit(&s->data);
	buf_deinit(&s->answer);
	free(s);
	return 0;
}

#define FEED(s, bytes) telnet_feed(&(s)->telnet, bytes, sizeof(bytes) - 1, &(s)->data, &(s)->answer)

static void check(const struct buf *b, const char *bytes, size_t len)
{
	assert_int_equal(b->len, len);
	assert_memory_equal(buf_str(b), bytes, len);
}

#define CHECK(b, bytes) check(&(b), bytes, sizeof(bytes) - 1)

static void commands_are_taken_out_wherever_they_are_cut(void **state)
{
	static const char bytes[] = "a\xff\xfb\x01"
				    "b\xff\xf1"
				    "c\xff\xff"
				    "d\xff\xfa\x18\x01\xff\xff\xfe\xff\xf0"
				    "e";
	struct seen *s = *state;

	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		telnet_feed(&s->telnet, bytes + i, 1, &s->data, &s->answer);
	CHECK(s->data, "abc\xff"
		       "de");
	CHECK(s->answer, "\xff\xfd\x01");
}

/* As QEMU greets: nothing that was asked for is answered once more. */
static void an_answer_is_not_answered(void **state)
{
	struct seen *s = *state;
	struct buf first = BUF_INIT;

	telnet_begin(&s->telnet, &first);
	CHECK(first, "\xff\xfb\x00\xff\xfd\x00\xff\xfd\x03");
	FEED(s, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00");
	CHECK(s->answer, "\xff\xfd\x01");
	FEED(s, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00");
	CHECK(s->answer, "\xff\xfd\x01");
	buf_deinit(&first);
}

static void what_is_not_known_is_refused(void **state)
{
	struct seen *s = *state;

	FEED(s, "\xff\xfd\x18\xff\xfb\x18\xff\xfd\x01\xff\xfc\x22\xff\xfe\x22");
	CHECK(s->answer, "\xff\xfc\x18\xff\xfe\x18\xff\xfc\x01");
}

static void what_was_agreed_on_can_be_taken_back(void **state)
{
	struct seen *s = *state;

	FEED(s, "\xff\xfb\x00\xff\xfc\x00\xff\xfc\x00");
	CHECK(s->answer, "\xff\xfd\x00\xff\xfe\x00");
}

/* QEMU doesn't double it. */
static void a_byte_255_before_no_command_is_what_it_is(void **state)
{
	struct seen *s = *state;

	FEED(s, "\xff"
		"a\xff\r");
	CHECK(s->data, "\xff"
		       "a\xff\r");
}

static void carriage_returns_are_marked_unless_all_is_binary(void **state)
{
	struct seen *s = *state;
	struct buf sent = BUF_INIT;

	FEED(s, "a\r\0b\r\nc\0");
	CHECK(s->data, "a\rb\r\nc\0");
	telnet_put(&s->telnet, "x\ry\xff", 4, &sent);
	CHECK(sent, "x\r\0y\xff\xff");
	buf_clear(&sent);
	buf_clear(&s->data);
	FEED(s, "\xff\xfd\x00\xff\xfb\x00"
		"a\r\0");
	CHECK(s->data, "a\r\0");
	telnet_put(&s->telnet, "x\ry\xff", 4, &sent);
	CHECK(sent, "x\ry\xff\xff");
	buf_deinit(&sent);
}

static void break_is_a_command(void **state)
{
	struct buf sent = BUF_INIT;

	(void)state;
	telnet_put_break(&sent);
	CHECK(sent, "\xff\xf3");
	buf_deinit(&sent);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_are_taken_out_wherever_they_are_cut),
		TEST(an_answer_is_not_answered),
		TEST(what_is_not_known_is_refused),
		TEST(what_was_agreed_on_can_be_taken_back),
		TEST(a_byte_255_before_no_command_is_what_it_is),
		TEST(carriage_returns_are_marked_unless_all_is_binary),
		TEST(break_is_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
