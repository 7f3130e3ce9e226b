/*
 * QMP: lines understood one by one, and a connection against a peer that follows a script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/util.h"
#include "vm/qmp.h"

static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, "
			       "\"capabilities\": [\"oob\"]}}\r\n";

/* --- Lines --- */

static void parse(const char *line, struct qmp_message *m)
{
	assert_null(qmp_parse(line, strlen(line), m));
}

static void assert_no_qmp(const char *line, size_t len)
{
	struct qmp_message m = { .id = 99 };
	struct err *e = qmp_parse(line, len, &m);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_int_equal(m.id, 99);
	err_destroy(e);
}

static void lines_of_every_kind(void **state)
{
	struct qmp_message m;
	struct json_object *value;

	(void)state;
	parse(greeting, &m);
	assert_int_equal(m.kind, QMP_GREETING);
	qmp_message_deinit(&m);
	parse("{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"},\"timestamp\":{}}", &m);
	assert_int_equal(m.kind, QMP_EVENT);
	assert_string_equal(m.event, "SHUTDOWN");
	assert_true(json_object_object_get_ex(m.data, "reason", &value));
	assert_string_equal(json_object_get_string(value), "guest-reset");
	qmp_message_deinit(&m);
	parse("{\"event\":\"STOP\"}", &m);
	assert_int_equal(m.kind, QMP_EVENT);
	assert_null(m.data);
	qmp_message_deinit(&m);
	parse("{\"return\":{\"status\":\"running\"},\"id\":7}", &m);
	assert_int_equal(m.kind, QMP_RETURN);
	assert_int_equal(m.id, 7);
	assert_non_null(m.data);
	qmp_message_deinit(&m);
	parse("{\"return\":null,\"id\":8}", &m);
	assert_int_equal(m.kind, QMP_RETURN);
	assert_null(m.data);
	qmp_message_deinit(&m);
	parse("{\"id\":9,\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}", &m);
	assert_int_equal(m.kind, QMP_ERROR);
	assert_int_equal(m.id, 9);
	assert_string_equal(m.description, "no");
	qmp_message_deinit(&m);
	parse("{\"error\":{}}", &m);
	assert_int_equal(m.kind, QMP_ERROR);
	assert_int_equal(m.id, 0);
	assert_string_equal(m.description, "unknown error");
	qmp_message_deinit(&m);
	/* Somebody else's id is none. */
	parse("{\"return\":{},\"id\":\"libvirt-1\"}", &m);
	assert_int_equal(m.id, 0);
	qmp_message_deinit(&m);
}

static void what_is_no_qmp(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"\"return\"",
		"{}",
		"{\"error\":\"text\"}",
		"{\"event\":1}",
		"{\"event\":",
		"{\"event\":null}",
		"\xff\xfe",
		"QEMU 7.2 monitor",
	};
	_cleanup_(buf_deinit) struct buf deep = BUF_INIT, big = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_no_qmp(bad[i], strlen(bad[i]));
	buf_puts(&deep, "{\"return\":");
	for (int i = 0; i < 100000; i++)
		buf_putc(&deep, '[');
	assert_no_qmp(deep.data, deep.len);
	memset(buf_reserve(&big, MIB + 1), ' ', MIB + 1);
	buf_commit(&big, MIB + 1);
	memcpy(big.data, "{\"event\":\"X\"}", 13);
	assert_no_qmp(big.data, big.len);
}

/* --- A connection --- */

struct seen {
	struct loop *loop;
	struct qmp *qmp;
	int peer;
	struct buf text; /* what was called back, one word each */
	struct err *fail_with;
};

static struct err *on_event(const char *event, struct json_object *data, void *user)
{
	struct seen *s = user;

	buf_printf(&s->text, "%s%s ", event, data ? "+" : "");
	if (streq(event, "LAST"))
		loop_quit(s->loop);
	return steal(&s->fail_with);
}

/* Three commands, so that it can be told which one is answered. */
static struct err *note(struct seen *s, const char *name, struct json_object *value, const char *error)
{
	buf_printf(&s->text, "%s=%s ", name, error ? error : json_object_to_json_string_ext(value, 0));
	return NULL;
}

static struct err *on_first(struct json_object *value, const char *error, void *user)
{
	return note(user, "first", value, error);
}

static struct err *on_second(struct json_object *value, const char *error, void *user)
{
	return note(user, "second", value, error);
}

static struct err *on_third_asks_again(struct json_object *value, const char *error, void *user)
{
	struct seen *s = user;

	if (!error)
		qmp_command(s->qmp, "again", NULL, on_first, s);
	return note(s, "third", value, error);
}

static struct err *give_up(struct loop_source *source, int fd, short revents, void *user)
{
	struct loop *loop = user;

	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(loop);
	return err_create(ERR_TIMEOUT, "nothing happened");
}

static int connect_peer(void **state)
{
	struct seen *s = xcalloc(1, sizeof(*s));
	int ours;

	s->loop = loop_create();
	assert_null(sock_pair(&ours, &s->peer));
	s->qmp = qmp_create(s->loop, ours, on_event, s);
	loop_add_timer(s->loop, now_ns() + 30 * NSEC_PER_SEC, give_up, s->loop);
	*state = s;
	return 0;
}

static int disconnect(void **state)
{
	struct seen *s = *state;

	qmp_destroy(s->qmp);
	loop_destroy(s->loop);
	if (s->peer >= 0)
		close(s->peer);
	buf_deinit(&s->text);
	free(s);
	return 0;
}

static void say(const struct seen *s, const char *text)
{
	assert_int_equal(write(s->peer, text, strlen(text)), strlen(text));
}

/* All that the peer has got so far. */
static char *heard(const struct seen *s)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	ssize_t n;

	while ((n = recv(s->peer, buf_reserve(&b, 4096), 4096, MSG_DONTWAIT)) > 0)
		buf_commit(&b, (size_t)n);
	return xstrndup(buf_str(&b), b.len);
}

#define CAPABILITIES "{\"execute\":\"qmp_capabilities\"}\n"

static void commands_wait_for_the_greeting(void **state)
{
	struct seen *s = *state;
	struct json_object *arguments = json_object_new_object();
	_cleanup_(free) char *before = NULL, *after = NULL;

	json_object_object_add(arguments, "reboot", json_object_new_string("reset"));
	qmp_command(s->qmp, "set-action", arguments, NULL, NULL);
	qmp_command(s->qmp, "query-status", NULL, on_first, s);
	before = heard(s);
	assert_string_equal(before, "");
	say(s, greeting);
	say(s, "{\"return\": {}}\r\n{\"event\":\"LAST\"}\r\n");
	assert_null(loop_run(s->loop));
	after = heard(s);
	assert_string_equal(after,
			    CAPABILITIES "{\"execute\":\"set-action\",\"arguments\":{\"reboot\":\"reset\"},\"id\":1}\n"
					 "{\"execute\":\"query-status\",\"id\":2}\n");
	assert_string_equal(buf_str(&s->text), "LAST ");
}

static void answers_find_their_commands_in_any_order(void **state)
{
	struct seen *s = *state;
	_cleanup_(free) char *text = NULL;

	say(s, greeting);
	/* A second greeting changes nothing. */
	say(s, greeting);
	qmp_command(s->qmp, "a", NULL, on_first, s);
	qmp_command(s->qmp, "b", NULL, on_second, s);
	qmp_command(s->qmp, "c", NULL, on_third_asks_again, s);
	say(s, "{\"return\":{},\"id\":3}\n{\"event\":\"STOP\"}\n{\"error\":{\"desc\":\"no\"},\"id\":2}\n");
	/* Nobody's: an id twice, one never given, none. */
	say(s, "{\"return\":5,\"id\":3}\n{\"return\":6,\"id\":77}\n{\"return\":7}\n");
	say(s, "{\"return\":{\"x\":1},\"id\":1}\n{\"return\":4,\"id\":4}\n{\"event\":\"LAST\",\"data\":{}}\n");
	assert_null(loop_run(s->loop));
	assert_string_equal(buf_str(&s->text), "third={} STOP second=no first={\"x\":1} first=4 LAST+ ");
	text = heard(s);
	assert_string_equal(text, CAPABILITIES "{\"execute\":\"a\",\"id\":1}\n{\"execute\":\"b\",\"id\":2}\n"
					       "{\"execute\":\"c\",\"id\":3}\n{\"execute\":\"again\",\"id\":4}\n");
}

static struct err *write_next_byte(struct loop_source *source, int fd, short revents, void *user)
{
	static const char text[] = "{\"event\":\"A\"}\r\n{\"event\":\"LAST\"}\n";
	static size_t at;
	const struct seen *s = user;

	(void)fd;
	(void)revents;
	assert_int_equal(write(s->peer, text + at++, 1), 1);
	if (at == sizeof(text) - 1)
		loop_remove(source);
	return NULL;
}

static void lines_may_come_in_pieces(void **state)
{
	struct seen *s = *state;

	loop_add_fd(s->loop, s->peer, POLLOUT, write_next_byte, s);
	assert_null(loop_run(s->loop));
	assert_string_equal(buf_str(&s->text), "A LAST ");
}

static void the_end_answers_what_is_open(void **state)
{
	struct seen *s = *state;

	say(s, greeting);
	qmp_command(s->qmp, "a", NULL, on_first, s);
	qmp_command(s->qmp, "b", NULL, on_second, s);
	qmp_command(s->qmp, "quit", NULL, NULL, NULL);
	close(steal_fd(&s->peer));
	loop_add_timer(s->loop, now_ns() + 100 * NSEC_PER_MSEC, give_up, s->loop);
	err_ignore(loop_run(s->loop));
	assert_non_null(strstr(buf_str(&s->text), "first=closed"));
	assert_non_null(strstr(buf_str(&s->text), "second=closed"));
	/* Nobody is there any more; that must not hurt. */
	qmp_command(s->qmp, "late", NULL, on_first, s);
}

static void commands_held_back_are_answered_at_the_end_too(void **state)
{
	struct seen *s = *state;

	qmp_command(s->qmp, "a", NULL, on_first, s);
	close(steal_fd(&s->peer));
	loop_add_timer(s->loop, now_ns() + 100 * NSEC_PER_MSEC, give_up, s->loop);
	err_ignore(loop_run(s->loop));
	assert_string_equal(buf_str(&s->text), "first=closed ");
}

static void assert_bad_data(struct err *e)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
}

static void garbage_ends_the_connection(void **state)
{
	struct seen *s = *state;

	say(s, greeting);
	say(s, "{\"event\":\"A\"}\nqemu: what is this?\n");
	assert_bad_data(loop_run(s->loop));
	assert_string_equal(buf_str(&s->text), "A ");
}

struct flood {
	struct seen *seen;
	size_t left;
	const char *end;
};

static struct err *write_flood(struct loop_source *source, int fd, short revents, void *user)
{
	static const char spaces[8192] = { [0 ... 8191] = ' ' };
	struct flood *f = user;

	(void)revents;
	if (f->left) {
		ssize_t n = send(fd, spaces, MIN(f->left, sizeof(spaces)), MSG_DONTWAIT | MSG_NOSIGNAL);

		f->left -= n > 0 ? (size_t)n : 0;
		return NULL;
	}
	say(f->seen, f->end);
	loop_remove(source);
	return NULL;
}

static void a_line_of_a_mebibyte_is_the_longest(void **state)
{
	struct seen *s = *state;
	static const char end[] = "{\"event\":\"LAST\"}\n";
	struct flood fits = { s, MIB - sizeof(end) - 10, end }, too_much = { s, 4 * MIB, "" };

	loop_add_fd(s->loop, s->peer, POLLOUT, write_flood, &fits);
	assert_null(loop_run(s->loop));
	assert_string_equal(buf_str(&s->text), "LAST ");
	loop_add_fd(s->loop, s->peer, POLLOUT, write_flood, &too_much);
	assert_bad_data(loop_run(s->loop));
	assert_true(too_much.left > 2 * MIB);
}

static void an_error_of_the_callback_ends_the_loop(void **state)
{
	struct seen *s = *state;
	struct err *e;

	s->fail_with = err_create(ERR_CLOSED, "enough");
	say(s, "{\"event\":\"A\"}\n{\"event\":\"LAST\"}\n");
	e = loop_run(s->loop);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_CLOSED);
	err_destroy(e);
	assert_string_equal(buf_str(&s->text), "A ");
}

#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, connect_peer, disconnect)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_every_kind),
		cmocka_unit_test(what_is_no_qmp),
		CONNECTED(commands_wait_for_the_greeting),
		CONNECTED(answers_find_their_commands_in_any_order),
		CONNECTED(lines_may_come_in_pieces),
		CONNECTED(the_end_answers_what_is_open),
		CONNECTED(commands_held_back_are_answered_at_the_end_too),
		CONNECTED(garbage_ends_the_connection),
		CONNECTED(a_line_of_a_mebibyte_is_the_longest),
		CONNECTED(an_error_of_the_callback_ends_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
