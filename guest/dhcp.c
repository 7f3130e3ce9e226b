#include "dhcp.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

/* Where the fields of a message are, RFC 2131 section 2. */
enum {
	AT_OP = 0,
	AT_HTYPE = 1,
	AT_HLEN = 2,
	AT_XID = 4,
	AT_FLAGS = 10,
	AT_YIADDR = 16,
	AT_CHADDR = 28,
	AT_COOKIE = 236,
	AT_OPTIONS = 240,
};

enum {
	OP_REQUEST = 1,
	OP_REPLY = 2,
	HTYPE_ETHERNET = 1,
	/* First byte of the flags: answer by broadcast, since we have no address that a unicast would reach. */
	FLAG_BROADCAST = 0x80,
};

enum option {
	OPTION_PAD = 0,
	OPTION_NETMASK = 1,
	OPTION_ROUTER = 3,
	OPTION_DNS = 6,
	OPTION_HOSTNAME = 12,
	OPTION_ADDRESS = 50,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_END = 255,
};

static const uint8_t cookie[4] = { 99, 130, 83, 99 };

enum { HOSTNAME_MAX = 32 };

static uint8_t *put_option(uint8_t *p, enum option option, const void *data, size_t len)
{
	p[0] = (uint8_t)option;
	p[1] = (uint8_t)len;
	memcpy(p + 2, data, len);
	return p + 2 + len;
}

void dhcp_build(const struct dhcp_client *client, const struct dhcp_lease *offer, uint8_t ret[static DHCP_PACKET_SIZE])
{
	static const uint8_t parameters[] = { OPTION_NETMASK, OPTION_ROUTER, OPTION_DNS };
	const uint8_t type = offer ? DHCP_REQUEST : DHCP_DISCOVER;
	uint8_t *p = ret + AT_OPTIONS;

	memset(ret, 0, DHCP_PACKET_SIZE);
	ret[AT_OP] = OP_REQUEST;
	ret[AT_HTYPE] = HTYPE_ETHERNET;
	ret[AT_HLEN] = sizeof(client->mac);
	ret[AT_FLAGS] = FLAG_BROADCAST;
	memcpy(ret + AT_XID, &client->xid, sizeof(client->xid));
	memcpy(ret + AT_CHADDR, client->mac, sizeof(client->mac));
	memcpy(ret + AT_COOKIE, cookie, sizeof(cookie));

	/* At most 3 + 6 + 6 + 5 + 34 + 1 = 55 of the 60 bytes there are. */
	p = put_option(p, OPTION_TYPE, &type, sizeof(type));
	if (offer) {
		p = put_option(p, OPTION_ADDRESS, &offer->address, sizeof(offer->address));
		p = put_option(p, OPTION_SERVER, &offer->server, sizeof(offer->server));
	}
	p = put_option(p, OPTION_PARAMETERS, parameters, sizeof(parameters));
	p = put_option(p, OPTION_HOSTNAME, client->hostname, strnlen(client->hostname, HOSTNAME_MAX));
	*p = OPTION_END;
}

static uint32_t get_address(const uint8_t *p)
{
	uint32_t address;

	memcpy(&address, p, sizeof(address));
	return address;
}

/* Whether a host can have it: not 0/8, not 127/8, neither multicast nor reserved. */
static bool is_host_address(uint32_t address)
{
	uint32_t first = ntohl(address) >> 24;

	return first != 0 && first != 127 && first < 224;
}

static bool is_netmask(uint32_t mask)
{
	uint32_t host_part = ~ntohl(mask);

	return mask != 0 && (host_part & (host_part + 1)) == 0;
}

static void take_dns(const uint8_t *data, size_t len, struct dhcp_lease *lease)
{
	lease->dns_count = 0;
	for (size_t i = 0; i + 4 <= len && lease->dns_count < DHCP_DNS_MAX; i += 4)
		if (is_host_address(get_address(data + i)))
			lease->dns[lease->dns_count++] = get_address(data + i);
}

static void take_option(uint8_t option, const uint8_t *data, size_t len, uint8_t *type, struct dhcp_lease *lease)
{
	if (option == OPTION_TYPE && len == 1)
		*type = data[0];
	else if (option == OPTION_DNS)
		take_dns(data, len, lease);
	else if (option == OPTION_NETMASK && len == 4 && is_netmask(get_address(data)))
		lease->netmask = get_address(data);
	else if (option == OPTION_ROUTER && len >= 4 && is_host_address(get_address(data)))
		lease->router = get_address(data);
	else if (option == OPTION_SERVER && len == 4)
		lease->server = get_address(data);
}

/* False if an option reaches beyond the end. */
static bool take_options(const uint8_t *p, const uint8_t *end, uint8_t *type, struct dhcp_lease *lease)
{
	while (p < end && *p != OPTION_END) {
		size_t len;

		if (*p == OPTION_PAD) {
			p++;
			continue;
		}
		if (end - p < 2)
			return false;
		len = p[1];
		if ((size_t)(end - p) < 2 + len)
			return false;
		take_option(p[0], p + 2, len, type, lease);
		p += 2 + len;
	}
	return true;
}

static bool is_answer_to(const struct dhcp_client *client, const uint8_t *packet, size_t size)
{
	return size >= AT_OPTIONS && packet[AT_OP] == OP_REPLY && packet[AT_HTYPE] == HTYPE_ETHERNET &&
	       packet[AT_HLEN] == sizeof(client->mac) &&
	       memcmp(packet + AT_XID, &client->xid, sizeof(client->xid)) == 0 &&
	       memcmp(packet + AT_CHADDR, client->mac, sizeof(client->mac)) == 0 &&
	       memcmp(packet + AT_COOKIE, cookie, sizeof(cookie)) == 0;
}

enum dhcp_type dhcp_parse(const struct dhcp_client *client, const uint8_t *packet, size_t size, struct dhcp_lease *ret)
{
	struct dhcp_lease lease = { .netmask = htonl(0xffffff00) };
	uint8_t type = DHCP_NONE;

	if (!is_answer_to(client, packet, size))
		return DHCP_NONE;
	if (!take_options(packet + AT_OPTIONS, packet + size, &type, &lease))
		return DHCP_NONE;
	if (type == DHCP_NAK)
		return DHCP_NAK;
	if (type != DHCP_OFFER && type != DHCP_ACK)
		return DHCP_NONE;

	lease.address = get_address(packet + AT_YIADDR);
	if (!is_host_address(lease.address) || (type == DHCP_OFFER && lease.server == 0))
		return DHCP_NONE;
	*ret = lease;
	return (enum dhcp_type)type;
}
