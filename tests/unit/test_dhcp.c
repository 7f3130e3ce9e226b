/*
 * DHCP messages: what we ask, and what we make of good, odd and hostile answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "guest/dhcp.h"

static const struct dhcp_client client = {
	.xid = 0x04030201,
	.mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 },
	.hostname = "debugvm",
};

/* An answer under construction. */
struct answer {
	uint8_t bytes[1024];
	size_t size;
};

static void put(struct answer *a, const void *data, size_t len)
{
	assert_true(a->size + len <= sizeof(a->bytes));
	memcpy(a->bytes + a->size, data, len);
	a->size += len;
}

static void put_option(struct answer *a, uint8_t option, const void *data, size_t len)
{
	const uint8_t head[2] = { option, (uint8_t)len };

	put(a, head, sizeof(head));
	put(a, data, len);
}

static void put_end(struct answer *a)
{
	put(a, "\377", 1);
}

/* The fields before the options, as QEMU's user network fills them, and the message type. */
static struct answer begin(uint8_t type)
{
	static const uint8_t yiaddr[] = { 10, 0, 2, 15 }, cookie[] = { 99, 130, 83, 99 };
	struct answer a = { .bytes = { 2, 1, 6 }, .size = 240 };

	memcpy(a.bytes + 4, &client.xid, 4);
	memcpy(a.bytes + 16, yiaddr, 4);
	memcpy(a.bytes + 28, client.mac, 6);
	memcpy(a.bytes + 236, cookie, 4);
	put_option(&a, 53, &type, 1);
	return a;
}

static struct answer offer(void)
{
	struct answer a = begin(DHCP_OFFER);

	put_option(&a, 54, "\012\000\002\002", 4);
	put_option(&a, 1, "\377\377\377\000", 4);
	put_option(&a, 3, "\012\000\002\002", 4);
	put_option(&a, 6, "\012\000\002\003", 4);
	put_option(&a, 51, "\000\001\121\200", 4);
	put_end(&a);
	return a;
}

static enum dhcp_type parse(const struct answer *a, struct dhcp_lease *lease)
{
	return dhcp_parse(&client, a->bytes, a->size, lease);
}

static void asks(void **state)
{
	static const uint8_t options[] = { 53, 1, 1, 55, 3, 1, 3, 6, 12, 7, 'd', 'e', 'b', 'u', 'g', 'v', 'm', 255, 0 };
	uint8_t p[DHCP_PACKET_SIZE];

	(void)state;
	dhcp_build(&client, NULL, p);
	assert_memory_equal(p, "\1\1\6\0", 4);
	assert_memory_equal(p + 4, &client.xid, 4);
	assert_int_equal(p[10], 0x80);
	assert_memory_equal(p + 28, client.mac, 6);
	assert_memory_equal(p + 236, "\143\202\123\143", 4);
	assert_memory_equal(p + 240, options, sizeof(options));
}

static void requests_what_was_offered(void **state)
{
	static const uint8_t options[] = { 53, 1, 3, 50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2, 55, 3, 1, 3, 6 };
	struct dhcp_lease lease = { .address = inet_addr("10.0.2.15"), .server = inet_addr("10.0.2.2") };
	uint8_t p[DHCP_PACKET_SIZE];

	(void)state;
	dhcp_build(&client, &lease, p);
	assert_memory_equal(p + 240, options, sizeof(options));
}

static void fits_a_long_name(void **state)
{
	struct dhcp_client long_named = client;
	struct dhcp_lease lease = { .address = 1 };
	uint8_t p[DHCP_PACKET_SIZE];

	(void)state;
	long_named.hostname = "a-name-that-is-a-good-deal-longer-than-there-is-room-for";
	dhcp_build(&long_named, &lease, p);
	assert_int_equal(p[240 + 3 + 6 + 6 + 5], 12);
	assert_int_equal(p[240 + 3 + 6 + 6 + 5 + 1], 32);
	assert_int_equal(p[240 + 3 + 6 + 6 + 5 + 2 + 32], 255);
}

static void takes_an_offer(void **state)
{
	struct answer a = offer();
	struct dhcp_lease lease;

	(void)state;
	assert_int_equal(parse(&a, &lease), DHCP_OFFER);
	assert_int_equal(lease.address, inet_addr("10.0.2.15"));
	assert_int_equal(lease.netmask, inet_addr("255.255.255.0"));
	assert_int_equal(lease.router, inet_addr("10.0.2.2"));
	assert_int_equal(lease.server, inet_addr("10.0.2.2"));
	assert_int_equal(lease.dns_count, 1);
	assert_int_equal(lease.dns[0], inet_addr("10.0.2.3"));
}

static void tells_the_types_apart(void **state)
{
	static const struct {
		uint8_t type;
		enum dhcp_type expected;
	} cases[] = {
		{ 0, DHCP_NONE }, { 1, DHCP_NONE }, { 2, DHCP_OFFER }, { 3, DHCP_NONE },
		{ 4, DHCP_NONE }, { 5, DHCP_ACK },  { 6, DHCP_NAK },   { 255, DHCP_NONE },
	};
	struct dhcp_lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = begin(cases[i].type);

		put_option(&a, 54, "\012\000\002\002", 4);
		put_end(&a);
		assert_int_equal(parse(&a, &lease), cases[i].expected);
	}
}

static void ignores_what_is_for_others(void **state)
{
	/* Operation, hardware type and length, transaction, MAC, cookie. */
	static const size_t changed[] = { 0, 1, 2, 4, 7, 28, 33, 236, 239 };
	struct dhcp_lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		struct answer a = offer();

		a.bytes[changed[i]] ^= 0x40;
		assert_int_equal(parse(&a, &lease), DHCP_NONE);
	}
}

static void survives_every_cut(void **state)
{
	const struct answer whole = offer();
	struct dhcp_lease lease = { .address = 77 };

	(void)state;
	/* Without its end mark it is still complete, and cut between two options it only has fewer of them. */
	for (size_t n = 0; n < 243; n++)
		assert_int_equal(dhcp_parse(&client, whole.bytes, n, &lease), DHCP_NONE);
	for (size_t n = 243; n < whole.size; n++)
		(void)dhcp_parse(&client, whole.bytes, n, &lease);
	lease.address = 77;
	assert_int_equal(dhcp_parse(&client, whole.bytes, whole.size - 2, &lease), DHCP_NONE);
	assert_int_equal(lease.address, 77);
}

static void refuses_options_that_reach_out(void **state)
{
	static const uint8_t tails[][2] = { { 1, 4 }, { 6, 255 }, { 3, 1 } };
	struct dhcp_lease lease;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		a = begin(DHCP_ACK);
		put(&a, tails[i], sizeof(tails[i]));
		assert_int_equal(parse(&a, &lease), DHCP_NONE);
	}
	/* An option's number, and nothing behind it. */
	a = begin(DHCP_ACK);
	put(&a, "\6", 1);
	assert_int_equal(parse(&a, &lease), DHCP_NONE);
}

static void makes_up_for_bad_values(void **state)
{
	static const char *const masks[] = { "\0\0\0\0", "\377\0\377\0", "\0\0\0\377" };
	struct dhcp_lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct answer a = begin(DHCP_ACK);

		put_option(&a, 1, masks[i], 4);
		put_option(&a, 3, "\0\0\0\0", 4);
		put_option(&a, 3, "\1\2", 2);
		put_option(&a, 6, "\177\0\0\1\377\377\377\377\12", 9);
		put_end(&a);
		assert_int_equal(parse(&a, &lease), DHCP_ACK);
		assert_int_equal(lease.netmask, inet_addr("255.255.255.0"));
		assert_int_equal(lease.router, 0);
		assert_int_equal(lease.dns_count, 0);
	}
}

static void takes_any_good_netmask(void **state)
{
	struct dhcp_lease lease;

	(void)state;
	for (int bits = 1; bits <= 32; bits++) {
		uint32_t mask = htonl(UINT32_MAX << (32 - bits));
		struct answer a = begin(DHCP_ACK);

		put_option(&a, 1, &mask, 4);
		put_end(&a);
		assert_int_equal(parse(&a, &lease), DHCP_ACK);
		assert_int_equal(lease.netmask, mask);
	}
}

static void refuses_bad_addresses(void **state)
{
	static const uint8_t first_bytes[] = { 0, 127, 224, 240, 255 };
	struct dhcp_lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(first_bytes); i++) {
		struct answer a = offer();

		a.bytes[16] = first_bytes[i];
		assert_int_equal(parse(&a, &lease), DHCP_NONE);
	}
}

static void refuses_an_offer_of_nobody(void **state)
{
	struct answer a = begin(DHCP_OFFER);
	struct dhcp_lease lease;

	(void)state;
	put_end(&a);
	assert_int_equal(parse(&a, &lease), DHCP_NONE);
}

static void takes_no_more_name_servers_than_fit(void **state)
{
	struct answer a = begin(DHCP_ACK);
	struct dhcp_lease lease;
	uint8_t servers[252];

	(void)state;
	memset(servers, 9, sizeof(servers));
	put_option(&a, 6, servers, sizeof(servers));
	put_end(&a);
	assert_int_equal(parse(&a, &lease), DHCP_ACK);
	assert_int_equal(lease.dns_count, DHCP_DNS_MAX);
}

static void skips_padding(void **state)
{
	struct answer a = begin(DHCP_ACK);
	struct dhcp_lease lease;

	(void)state;
	put(&a, "\0\0\0", 3);
	put_option(&a, 3, "\012\000\002\002", 4);
	put_end(&a);
	/* Behind the end mark nothing counts. */
	put(&a, "\3\377", 2);
	assert_int_equal(parse(&a, &lease), DHCP_ACK);
	assert_int_equal(lease.router, inet_addr("10.0.2.2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks),
		cmocka_unit_test(requests_what_was_offered),
		cmocka_unit_test(fits_a_long_name),
		cmocka_unit_test(takes_an_offer),
		cmocka_unit_test(tells_the_types_apart),
		cmocka_unit_test(ignores_what_is_for_others),
		cmocka_unit_test(survives_every_cut),
		cmocka_unit_test(refuses_options_that_reach_out),
		cmocka_unit_test(makes_up_for_bad_values),
		cmocka_unit_test(takes_any_good_netmask),
		cmocka_unit_test(refuses_bad_addresses),
		cmocka_unit_test(refuses_an_offer_of_nobody),
		cmocka_unit_test(takes_no_more_name_servers_than_fit),
		cmocka_unit_test(skips_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
