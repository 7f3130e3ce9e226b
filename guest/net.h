/*
 * The network: loopback at once, an address for the first ethernet interface in the background.
 */
#pragma once

/*
 * Brings loopback up and starts a child that gets an address by DHCP. It has given up after half a minute. What it did
 * is in /run/dhcp.log.
 */
void net_start(void);
