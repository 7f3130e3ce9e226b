/*
 * The supervisor's end of a shared serial line: what is told of the bytes, and that none is lost whatever becomes of the server
 * process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/util.h"
#include "supervisor/line.h"

struct test {
	struct loop *loop;
	struct line *line;
	struct buf text, written, behind_break;
	int server; /* the server process's end */
	int breaks, broken;
	bool stands;
};

static void on_text(const char *bytes, size_t len, void *user)
{
	buf_append(&((struct test *)user)->text, bytes, len);
}

static void on_write(const char *bytes, size_t len, bool behind_break, void *user)
{
	struct test *t = user;

	buf_append(behind_break ? &t->behind_break : &t->written, bytes, len);
}

static void on_break(void *user)
{
	((struct test *)user)->breaks++;
}

static void on_break_at_once(void *user)
{
	struct test *t = user;

	t->breaks++;
	line_break_done(t->line);
}

static void on_stands(bool stands, void *user)
{
	((struct test *)user)->stands = stands;
}

static void on_broken(void *user)
{
	((struct test *)user)->broken++;
}

static const struct line_callbacks callbacks = {
	.text = on_text, .write = on_write, .send_break = on_break, .stands = on_stands, .broken = on_broken
};
static const struct line_callbacks break_at_once = {
	.text = on_text, .write = on_write, .send_break = on_break_at_once, .stands = on_stands, .broken = on_broken
};
static const struct line_callbacks without_break = {
	.text = on_text, .write = on_write, .stands = on_stands, .broken = on_broken
};

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof(*t));

	t->loop = loop_create();
	t->line = line_create(t->loop, &callbacks, t);
	t->server = -1;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	line_destroy(t->line);
	loop_destroy(t->loop);
	if (t->server >= 0)
		close(t->server);
	buf_deinit(&t->text);
	buf_deinit(&t->written);
	buf_deinit(&t->behind_break);
	free(t);
	return 0;
}

static struct err *quit(struct loop_source *source, int fd, short revents, void *data)
{
	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(data);
	return NULL;
}

/* Lets the loop take in what was sent, which is there already. */
static void turn(struct test *t)
{
	for (int i = 0; i < 3; i++) {
		loop_add_timer(t->loop, now_ns() + 2 * NSEC_PER_MSEC, quit, t->loop);
		assert_null(loop_run(t->loop));
	}
}

static void feed(struct test *t, const char *bytes)
{
	line_feed(t->line, bytes, strlen(bytes));
}

static void say(struct test *t, enum line_word word, const char *bytes, size_t size)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	line_put(&b, word, bytes, size);
	assert_int_equal(send(t->server, b.data, b.len, 0), b.len);
	turn(t);
}

static void say_text(struct test *t, enum line_word word, const char *text)
{
	say(t, word, text, strlen(text));
}

static void expect(struct buf *b, const char *text)
{
	assert_string_equal(buf_str(b), text);
	buf_clear(b);
}

static void what_nobody_shares_is_text(void **state)
{
	struct test *t = *state;

	feed(t, "$g#67");
	expect(&t->text, "$g#67");
}

static void each_byte_goes_where_it_is_told(void **state)
{
	struct test *t = *state;
	char bytes[16] = "";

	assert_null(line_share(t->line, &t->server));
	feed(t, "ab$g#67c");
	turn(t);
	assert_int_equal(recv(t->server, bytes, sizeof(bytes), MSG_DONTWAIT), 8);
	assert_string_equal(bytes, "ab$g#67c");
	expect(&t->text, "");
	say(t, LINE_TEXT, NULL, 2);
	expect(&t->text, "ab");
	say(t, LINE_PACKET, NULL, 5);
	expect(&t->text, "");
	say(t, LINE_TEXT, NULL, 1);
	expect(&t->text, "c");
	say_text(t, LINE_WRITE, "+$OK#9a");
	expect(&t->written, "+$OK#9a");
}

static void a_server_that_dies_takes_nothing_along(void **state)
{
	struct test *t = *state;

	assert_null(line_share(t->line, &t->server));
	feed(t, "abc");
	say(t, LINE_TEXT, NULL, 1);
	say(t, LINE_STANDS, NULL, 0);
	assert_true(t->stands);
	close(steal_fd(&t->server));
	turn(t);
	expect(&t->text, "abc");
	assert_false(line_is_shared(t->line));
	/* Nobody knows any more; but where it was is to be known to who mends it. */
	assert_false(t->stands);
	assert_true(line_stood(t->line));
	feed(t, "d");
	expect(&t->text, "d");
}

static void what_a_server_said_last_is_heeded_before_it_is_missed(void **state)
{
	struct test *t = *state;
	_cleanup_(buf_deinit) struct buf last = BUF_INIT;

	assert_null(line_share(t->line, &t->server));
	feed(t, "abc");
	say(t, LINE_STANDS, NULL, 0);
	line_put(&last, LINE_PACKET, NULL, 3);
	line_put(&last, LINE_RUNS, NULL, 0);
	assert_int_equal(send(t->server, last.data, last.len, 0), last.len);
	close(steal_fd(&t->server));
	line_catch_up(t->line);
	assert_false(line_stood(t->line));
	turn(t);
	expect(&t->text, "");
}

static void what_comes_behind_a_break_waits_for_it(void **state)
{
	struct test *t = *state;

	assert_null(line_share(t->line, &t->server));
	say_text(t, LINE_WRITE, "before");
	say_text(t, LINE_BREAK, "g");
	say_text(t, LINE_WRITE, "behind");
	assert_int_equal(t->breaks, 1);
	expect(&t->written, "before");
	expect(&t->behind_break, "");
	line_break_done(t->line);
	expect(&t->behind_break, "g");
	expect(&t->written, "behind");
	/* QEMU's answer to one of a server process that has gone. */
	line_break_done(t->line);
	expect(&t->behind_break, "");
}

static void expect_break_at_once(struct test *t, const struct line_callbacks *with)
{
	line_destroy(t->line);
	t->line = line_create(t->loop, with, t);
	assert_null(line_share(t->line, &t->server));
	say_text(t, LINE_BREAK, "g");
	say_text(t, LINE_BREAK, "h");
	say_text(t, LINE_WRITE, "behind");
	expect(&t->behind_break, "gh");
	expect(&t->written, "behind");
	close(steal_fd(&t->server));
}

static void a_line_may_have_no_break_or_send_it_at_once(void **state)
{
	struct test *t = *state;

	expect_break_at_once(t, &without_break);
	assert_int_equal(t->breaks, 0);
	expect_break_at_once(t, &break_at_once);
	assert_int_equal(t->breaks, 2);
}

static void a_reset_leaves_the_rest_to_the_console(void **state)
{
	struct test *t = *state;
	char byte;

	assert_null(line_share(t->line, &t->server));
	feed(t, "old ");
	turn(t);
	line_hang_up(t->line);
	feed(t, "new");
	expect(&t->text, "old new");
	/* It has read the old bytes, and then the end. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(recv(t->server, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(t->server, &byte, 1, MSG_DONTWAIT), 0);
	say(t, LINE_TEXT, NULL, 4);
	expect(&t->text, "");
	assert_int_equal(t->broken, 0);
}

static void nonsense_ends_the_server(void **state)
{
	struct test *t = *state;

	log_level = LOG_LEVEL_QUIET;
	assert_null(line_share(t->line, &t->server));
	feed(t, "abc");
	say(t, LINE_TEXT, NULL, 4);
	assert_int_equal(t->broken, 1);
	expect(&t->text, "abc");
	close(steal_fd(&t->server));
	assert_null(line_share(t->line, &t->server));
	assert_int_equal(send(t->server, "\x77\0\0\0\0", 5, 0), 5);
	turn(t);
	assert_int_equal(t->broken, 2);
	assert_false(line_is_shared(t->line));
}

static void a_server_that_does_not_read_is_ended(void **state)
{
	struct test *t = *state;
	static char flood[1 << 20];
	size_t fed = 0;

	log_level = LOG_LEVEL_QUIET;
	memset(flood, 'x', sizeof(flood));
	assert_null(line_share(t->line, &t->server));
	for (; !t->broken && fed < 64 << 20; fed += sizeof(flood))
		line_feed(t->line, flood, sizeof(flood));
	assert_int_equal(t->broken, 1);
	assert_int_equal(t->text.len, fed);
}

static void a_message_is_understood_however_it_is_cut(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct line_message m;
	size_t n;

	(void)state;
	line_put(&b, LINE_WRITE, "abc", 3);
	line_put(&b, LINE_TEXT, NULL, 0x01020304);
	for (size_t len = 0; len < 8; len++)
		assert_int_equal(line_parse(b.data, len, &m, &n), LINE_PART);
	assert_int_equal(line_parse(b.data, b.len, &m, &n), LINE_WHOLE);
	assert_int_equal(n, 8);
	assert_int_equal(m.word, LINE_WRITE);
	assert_memory_equal(m.bytes, "abc", 3);
	assert_int_equal(line_parse(b.data + n, b.len - n, &m, &n), LINE_WHOLE);
	assert_int_equal(m.size, 0x01020304);
	buf_clear(&b);
	line_put(&b, LINE_WRITE, NULL, LINE_MESSAGE_MAX + 1);
	assert_int_equal(line_parse(b.data, b.len, &m, &n), LINE_BAD);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_nobody_shares_is_text),
		TEST(each_byte_goes_where_it_is_told),
		TEST(a_server_that_dies_takes_nothing_along),
		TEST(what_a_server_said_last_is_heeded_before_it_is_missed),
		TEST(what_comes_behind_a_break_waits_for_it),
		TEST(a_line_may_have_no_break_or_send_it_at_once),
		TEST(a_reset_leaves_the_rest_to_the_console),
		TEST(nonsense_ends_the_server),
		TEST(a_server_that_does_not_read_is_ended),
		cmocka_unit_test(a_message_is_understood_however_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
