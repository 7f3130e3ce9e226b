/*
 * Fuzzes the reading of DHCP answers. Transaction and MAC are taken from the input, so that it counts as an answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "guest/dhcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_lease(const struct dhcp_lease *lease)
{
	uint32_t host_part = ~ntohl(lease->netmask);

	check(lease->address != 0);
	check(lease->netmask != 0 && (host_part & (host_part + 1)) == 0);
	check(lease->dns_count <= DHCP_DNS_MAX);
	for (size_t i = 0; i < lease->dns_count; i++)
		check(lease->dns[i] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp_client client = { .hostname = "debugvm" };
	uint8_t request[DHCP_PACKET_SIZE];
	struct dhcp_lease lease;
	enum dhcp_type type;

	if (size >= 34) {
		memcpy(&client.xid, data + 4, sizeof(client.xid));
		memcpy(client.mac, data + 28, sizeof(client.mac));
	}
	type = dhcp_parse(&client, data, size, &lease);
	if (type != DHCP_OFFER && type != DHCP_ACK) {
		check(type == DHCP_NONE || type == DHCP_NAK);
		return 0;
	}
	check_lease(&lease);
	dhcp_build(&client, &lease, request);
	/* Our own request is no answer. */
	check(dhcp_parse(&client, request, sizeof(request), &lease) == DHCP_NONE);
	return 0;
}
