/*
 * What of a debug client's packets the stub gets: never what would have QEMU run or write something on the host, however
 * it is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "supervisor/packets.h"

struct result {
	struct buf stub, client;
};

static void result_deinit(struct result *r)
{
	buf_deinit(&r->stub);
	buf_deinit(&r->client);
}
DEFINE_CLEANUP_STORAGE(struct result, result_deinit);

static void feed(const char *bytes, size_t len, size_t at_once, struct result *ret)
{
	_cleanup_(packets_deinit) struct packets p = PACKETS_INIT;

	for (size_t i = 0; i < len; i += at_once)
		packets_feed(&p, bytes + i, MIN(at_once, len - i), &ret->stub, &ret->client);
}

/* Whatever pieces it comes in. */
static void expect_bytes(const char *bytes, size_t len, const char *stub, const char *client)
{
	for (size_t at_once = 1; at_once <= len; at_once++) {
		_cleanup_(result_deinit) struct result r = { BUF_INIT, BUF_INIT };

		feed(bytes, len, at_once, &r);
		assert_string_equal(buf_str(&r.stub), stub);
		assert_string_equal(buf_str(&r.client), client);
	}
}

static void expect(const char *bytes, const char *stub, const char *client)
{
	expect_bytes(bytes, strlen(bytes), stub, client);
}

/* A packet around the body. The caller frees it. */
static char *packet(const char *body)
{
	unsigned int sum = 0;

	for (const char *c = body; *c; c++)
		sum += (unsigned char)*c;
	return xasprintf("$%s#%02x", body, sum & 0xff);
}

static char *command(const char *line)
{
	_cleanup_(buf_deinit) struct buf body = BUF_INIT;

	buf_puts(&body, "qRcmd,");
	for (; *line; line++)
		buf_printf(&body, "%02x", (unsigned char)*line);
	return packet(buf_str(&body));
}

static void expect_passed(const char *text)
{
	expect(text, text, "");
}

#define EMPTY "+$#00"

static void expect_body_dropped(const char *body)
{
	_cleanup_(free) char *text = packet(body);

	expect(text, "", EMPTY);
}

static void the_usual_ones_pass(void **state)
{
	static const char *const bodies[] = { "?",
					      "g",
					      "mffffffff81000000,1000",
					      "vCont;c:1",
					      "Z0,1234,1",
					      "qSupported:x",
					      "X10,2:ab",
					      "QStartNoAckMode",
					      "",
					      "qfThreadInfo" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		_cleanup_(free) char *text = packet(bodies[i]);

		expect_passed(text);
	}
	expect_passed("+-\003");
	expect_passed("+$?#3f+$g#67\003");
	/* Escaped: } $ # and *. */
	expect("$X0,4:}]}\004}\003}\n#84", "$X0,4:}]}\004}\003}\n#84", "");
}

/* Outside of packets the protocol has three bytes. */
static void the_rest_is_dropped(void **state)
{
	(void)state;
	expect("POST / HTTP/1.1\r\n\r\n+$?#3f\r\n", "+$?#3f", "");
	/* Never complete. */
	expect("$qRcmd,", "", "");
	/* A sum that is wrong. */
	expect("$?#3e", "", "-");
	expect("$?#zz", "", "-");
	expect("$?#$?#3f", "$?#3f", "");
}

static void backwards_is_not_supported(void **state)
{
	(void)state;
	expect_body_dropped("bs");
	expect_body_dropped("bc");
	expect_body_dropped("bsx");
	expect_body_dropped("}Bs");
	expect_body_dropped("b}S");
	expect_body_dropped("b}C");
	expect("$bs#d5$?#3f", "$?#3f", EMPTY);
}

static void harmless_commands_pass(void **state)
{
	static const char *const lines[] = { "info version", "x/10i $pc", " info mem", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(free) char *text = command(lines[i]);

		expect_passed(text);
	}
}

/* What O packets bring, as text. */
static void decode_output(const char *answer, struct buf *ret)
{
	unsigned int byte;

	assert_memory_equal(answer, "+$O", 3);
	for (answer += 3; sscanf(answer, "%2x", &byte) == 1; answer += 2)
		buf_putc(ret, (char)byte);
	assert_string_equal(answer + 3, "$E01#a6");
}

static void expect_refused(const char *text, const char *said)
{
	_cleanup_(result_deinit) struct result r = { BUF_INIT, BUF_INIT };
	_cleanup_(buf_deinit) struct buf output = BUF_INIT;

	feed(text, strlen(text), 7, &r);
	assert_string_equal(buf_str(&r.stub), "");
	decode_output(buf_str(&r.client), &output);
	if (!strstr(buf_str(&output), said))
		fail_msg("'%s' instead of '%s'", buf_str(&output), said);
	assert_non_null(strstr(buf_str(&output), "Ctrl-a c"));
}

static void others_are_refused(void **state)
{
	static const char *const lines[] = { "migrate -d exec:x", "  migrate exec:x", "infox",
					     "info version\nmigrate exec:x", "\x80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(free) char *text = command(lines[i]);

		expect_refused(text, "is not for the debug port");
	}
	_cleanup_(free) char *migrate = command("migrate exec:x");

	expect_refused(migrate, "'migrate' is not");
}

/* The same packet, written otherwise. */
static void disguises(void **state)
{
	static const char *const bodies[] = { "}Q}r}C}M}D}\f6d", /* each byte escaped */
					      "q}rcmd,6d",       "QRcmd,6d",         "qRcmd",    "qRcmd,6",
					      "qRcmd,zz",        "qRcmd,696e666f00", "qRcmd 6d", "qRcmd,6d*!" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		_cleanup_(free) char *text = packet(bodies[i]);

		expect_refused(text, "is not for the debug port");
	}
	/* The stub that takes the first $ for a wish to stop sees the second as the beginning; we do, too. */
	_cleanup_(free) char *inner = command("migrate exec:x"), *outer = xasprintf("$m0,%s", inner),
			     *escaped = xasprintf("$m}%s", inner), *sum = xasprintf("$?#3%s", inner);

	expect_refused(outer, "'migrate' is not");
	expect_refused(escaped, "'migrate' is not");
	expect_refused(sum, "'migrate' is not");
	/* In a run-length the stub overlooks the # that ends a packet. */
	expect_body_dropped("m0,4*");
	expect_body_dropped("q*!");
}

static void one_that_is_too_long(void **state)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(result_deinit) struct result r = { BUF_INIT, BUF_INIT };

	(void)state;
	buf_puts(&text, "$X0,100000:");
	for (int i = 0; i < 1 << 20; i++)
		buf_putc(&text, 'a');
	buf_puts(&text, "#00$?#3f");
	feed(text.data, text.len, 4096, &r);
	assert_string_equal(buf_str(&r.stub), "$?#3f");
	assert_string_equal(buf_str(&r.client), EMPTY);
}

static void who_is_no_debugger(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++)
		assert_int_equal(packets_begin_with((char)c), c == '+' || c == '-' || c == '$' || c == 3);
}

static void wishes_to_go_on_can_be_held(void **state)
{
	static const char *const wishes[] = { "c", "C05", "s", "S05", "vCont;c", "vCont;s:1;c" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		_cleanup_(packets_deinit) struct packets p = PACKETS_INIT;
		_cleanup_(result_deinit) struct result r = { BUF_INIT, BUF_INIT };
		_cleanup_(free) char *wish = packet(wishes[i]), *behind = xasprintf("+%s\003+", wish),
				     *all = xasprintf("+$g#67%s%s", wish, behind);

		packets_hold(&p);
		/* Questions are answered; what comes behind the wish must not overtake it. */
		packets_feed(&p, "+$g#67", 6, &r.stub, &r.client);
		packets_feed(&p, wish, strlen(wish), &r.stub, &r.client);
		packets_feed(&p, behind, strlen(behind), &r.stub, &r.client);
		assert_string_equal(buf_str(&r.stub), "+$g#67");
		assert_int_equal(packets_held(&p), strlen(wish) + strlen(behind));
		packets_release(&p, &r.stub);
		assert_string_equal(buf_str(&r.stub), all);
		assert_int_equal(packets_held(&p), 0);
		packets_feed(&p, wish, strlen(wish), &r.stub, &r.client);
		assert_int_equal(r.stub.len, strlen(all) + strlen(wish));
		assert_int_equal(r.client.len, 0);
	}
}

static void the_word_of_a_reset(void **state)
{
	static const char text[] = "+$T05thread:01;#07$T0$T03thread:01;#05$m54303300#00";
	struct packets_watch pieces = { 0 }, whole = { 0 };
	int seen = 0;

	(void)state;
	for (const char *c = text; *c; c++)
		seen += packets_watch_reset(&pieces, c, 1);
	assert_int_equal(seen, 1);
	assert_true(packets_watch_reset(&whole, text, strlen(text)));
	assert_false(packets_watch_reset(&whole, "$T02#b6T03", 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_usual_ones_pass),         cmocka_unit_test(the_rest_is_dropped),
		cmocka_unit_test(backwards_is_not_supported),  cmocka_unit_test(harmless_commands_pass),
		cmocka_unit_test(others_are_refused),          cmocka_unit_test(disguises),
		cmocka_unit_test(one_that_is_too_long),        cmocka_unit_test(who_is_no_debugger),
		cmocka_unit_test(wishes_to_go_on_can_be_held), cmocka_unit_test(the_word_of_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
