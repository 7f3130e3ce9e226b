/*
 * DHCP messages (RFC 2131, options of RFC 2132), built in and parsed from buffers: no input or output here.
 * Addresses are in network byte order throughout, as the kernel's interfaces take them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	/* What we send. BOOTP asks for no less, and some servers drop shorter ones. */
	DHCP_PACKET_SIZE = 300,
	/* What a resolver looks at. */
	DHCP_DNS_MAX = 3,

	DHCP_SERVER_PORT = 67,
	DHCP_CLIENT_PORT = 68,
};

/* Values of the "message type" option. */
enum dhcp_type {
	DHCP_NONE = 0,
	DHCP_DISCOVER = 1,
	DHCP_OFFER = 2,
	DHCP_REQUEST = 3,
	DHCP_ACK = 5,
	DHCP_NAK = 6,
};

/* Who asks. */
struct dhcp_client {
	/* Picked at random; an answer bears the same. */
	uint32_t xid;
	uint8_t mac[6];
	const char *hostname;
};

struct dhcp_lease {
	uint32_t address;
	/* Contiguous and not 0; 255.255.255.0 if the server gave none that makes sense. */
	uint32_t netmask;
	/* 0 if there is none. */
	uint32_t router;
	/* The server that offered it. */
	uint32_t server;
	uint32_t dns[DHCP_DNS_MAX];
	size_t dns_count;
};

/* A DHCP_DISCOVER (offer is NULL), or the DHCP_REQUEST for an offer. */
void dhcp_build(const struct dhcp_client *client, const struct dhcp_lease *offer, uint8_t ret[static DHCP_PACKET_SIZE]);

/*
 * An answer, from whoever sent it. Returns DHCP_OFFER or DHCP_ACK and writes *ret, or DHCP_NAK; DHCP_NONE if the packet
 * is not an answer to this client, is cut off or makes no sense. Options that are repeated or continued in the packet's
 * "file" and "sname" fields (RFC 3396, option 52) are not put together.
 */
enum dhcp_type dhcp_parse(const struct dhcp_client *client, const uint8_t *packet, size_t size, struct dhcp_lease *ret);
