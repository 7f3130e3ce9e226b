/*
 * Theory of operation
 *
 * The DHCP client is a child of init's, so that nothing waits for it. It waits for an interface (a driver may still be
 * probing), brings it up, and asks until it has an answer; each attempt waits twice as long as the one before. The
 * first is short, since the first packets are lost where a link takes its time to come up.
 *
 * It uses an ordinary UDP socket, bound to the interface and asking for answers by broadcast. That works without an
 * address and spares us the headers of raw packets, and it needs no CONFIG_PACKET.
 *
 * The lease isn't renewed: QEMU's user network never takes an address back.
 */
#include "net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "dhcp.h"
#include "util.h"

enum {
	GIVE_UP_MS = 30000,
	WAIT_FIRST_MS = 100,
	WAIT_MAX_MS = 4000,
};

static struct ifreq request_for(const char *name)
{
	struct ifreq req = { 0 };

	memcpy(req.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	return req;
}

static int bring_up(int sock, const char *name)
{
	struct ifreq req = request_for(name);

	if (ioctl(sock, SIOCGIFFLAGS, &req) < 0)
		return -1;
	if (req.ifr_flags & IFF_UP)
		return 0;
	req.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &req);
}

/* The interface's index if it is ethernet with a device behind it (not a bridge, dummy or tunnel); else 0. */
static unsigned int ethernet_index(int sock, const char *name)
{
	char path[sizeof("/sys/class/net//device") + NAME_MAX];
	struct ifreq req = request_for(name);

	if (strlen(name) >= IFNAMSIZ)
		return 0;
	if (ioctl(sock, SIOCGIFHWADDR, &req) < 0 || req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	if (access(path, F_OK) < 0 || ioctl(sock, SIOCGIFINDEX, &req) < 0)
		return 0;
	return (unsigned int)req.ifr_ifindex;
}

/* The first one by index, which is the order in which they were found. */
static bool find_ethernet(int sock, char ret[static IFNAMSIZ])
{
	DIR *dir = opendir("/sys/class/net");
	unsigned int best = 0;
	const struct dirent *d;

	if (!dir)
		return false;
	while ((d = readdir(dir))) {
		unsigned int index = ethernet_index(sock, d->d_name);

		if (index && (!best || index < best)) {
			best = index;
			memcpy(ret, d->d_name, strlen(d->d_name) + 1);
		}
	}
	closedir(dir);
	return best != 0;
}

/* The kernel may have done it all before us, if its command line has ip=. */
static bool has_address(int sock, const char *name)
{
	struct ifreq req = request_for(name);

	return ioctl(sock, SIOCGIFADDR, &req) == 0;
}

static bool get_client(int sock, const char *name, struct dhcp_client *ret)
{
	struct ifreq req = request_for(name);
	struct timespec ts;

	if (ioctl(sock, SIOCGIFHWADDR, &req) < 0)
		return false;
	*ret = (struct dhcp_client){ .hostname = "debugvm" };
	memcpy(ret->mac, req.ifr_hwaddr.sa_data, sizeof(ret->mac));
	/* It only tells our answers from those to others; early in boot there may be no random numbers yet. */
	if (getrandom(&ret->xid, sizeof(ret->xid), GRND_NONBLOCK) != sizeof(ret->xid)) {
		clock_gettime(CLOCK_REALTIME, &ts);
		ret->xid = (uint32_t)(ts.tv_nsec ^ ts.tv_sec);
	}
	return true;
}

static struct sockaddr_in socket_address(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = address,
		.sin_port = htons(port),
	};
}

static void set_address(struct sockaddr *sa, uint32_t address)
{
	struct sockaddr_in in = socket_address(address, 0);

	memcpy(sa, &in, sizeof(in));
}

static int open_socket(const char *interface)
{
	struct sockaddr_in any = socket_address(htonl(INADDR_ANY), DHCP_CLIENT_PORT);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What couldn't be sent counts as lost: the next attempt comes. */
static void send_message(int fd, const struct dhcp_client *client, const struct dhcp_lease *offer)
{
	struct sockaddr_in to = socket_address(htonl(INADDR_BROADCAST), DHCP_SERVER_PORT);
	uint8_t packet[DHCP_PACKET_SIZE];

	dhcp_build(client, offer, packet);
	if (sendto(fd, packet, sizeof(packet), 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		say("can't send: %m");
}

/* Waits for an answer to us, at most until end. */
static enum dhcp_type receive_message(int fd, const struct dhcp_client *client, int64_t end, struct dhcp_lease *ret)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left;

	while ((left = end - now_ms()) > 0 && poll(&pfd, 1, (int)left) > 0) {
		uint8_t packet[1500];
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		enum dhcp_type type = n > 0 ? dhcp_parse(client, packet, (size_t)n, ret) : DHCP_NONE;

		if (type != DHCP_NONE)
			return type;
	}
	return DHCP_NONE;
}

/* One attempt, until end: discover, offer, request, acknowledgement. */
static bool try_lease(int fd, const struct dhcp_client *client, int64_t end, struct dhcp_lease *ret)
{
	struct dhcp_lease offer;
	enum dhcp_type type;

	send_message(fd, client, NULL);
	if (receive_message(fd, client, end, &offer) != DHCP_OFFER)
		return false;

	send_message(fd, client, &offer);
	do
		/* There may be a second offer, to an earlier attempt or from another server. */
		type = receive_message(fd, client, end, ret);
	while (type == DHCP_OFFER);
	return type == DHCP_ACK;
}

static bool get_lease(int fd, const struct dhcp_client *client, int64_t give_up, struct dhcp_lease *ret)
{
	for (int wait = WAIT_FIRST_MS; now_ms() < give_up; wait = wait < WAIT_MAX_MS / 2 ? 2 * wait : WAIT_MAX_MS) {
		int64_t end = now_ms() + wait, left;

		if (try_lease(fd, client, end, ret))
			return true;
		/* Refused at once: not again at once. */
		left = end - now_ms();
		if (left > 0)
			poll(NULL, 0, (int)left);
	}
	return false;
}

static int set_route(int sock, char *interface, uint32_t router)
{
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = interface };

	set_address(&route.rt_dst, 0);
	set_address(&route.rt_genmask, 0);
	set_address(&route.rt_gateway, router);
	return ioctl(sock, SIOCADDRT, &route);
}

static const char *text_of(uint32_t address, char buf[static INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, &address, buf, INET_ADDRSTRLEN);
}

static void write_resolv_conf(const struct dhcp_lease *lease)
{
	_cleanup_(close) int fd = -1;
	char buf[INET_ADDRSTRLEN];

	if (lease->dns_count == 0)
		return;
	mkdir("/etc", 0755);
	fd = open("/etc/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		say("can't write /etc/resolv.conf: %m");
		return;
	}
	for (size_t i = 0; i < lease->dns_count; i++)
		dprintf(fd, "nameserver %s\n", text_of(lease->dns[i], buf));
}

static void configure(int sock, char *interface, const struct dhcp_lease *lease)
{
	char address[INET_ADDRSTRLEN], netmask[INET_ADDRSTRLEN], router[INET_ADDRSTRLEN];
	struct ifreq req = request_for(interface);

	set_address(&req.ifr_addr, lease->address);
	if (ioctl(sock, SIOCSIFADDR, &req) < 0) {
		say("can't set the address of %s: %m", interface);
		return;
	}
	set_address(&req.ifr_netmask, lease->netmask);
	if (ioctl(sock, SIOCSIFNETMASK, &req) < 0)
		say("can't set the netmask of %s: %m", interface);
	if (lease->router && set_route(sock, interface, lease->router) < 0)
		say("can't set the default route: %m");
	write_resolv_conf(lease);
	say("%s has %s, netmask %s, router %s", interface, text_of(lease->address, address),
	    text_of(lease->netmask, netmask), lease->router ? text_of(lease->router, router) : "none");
}

static int wait_for_ethernet(int sock, int64_t end, char ret[static IFNAMSIZ])
{
	for (int wait = WAIT_FIRST_MS; !find_ethernet(sock, ret); wait += wait) {
		if (now_ms() + wait > end)
			return -1;
		poll(NULL, 0, wait);
	}
	return bring_up(sock, ret);
}

static void run_dhcp(void)
{
	_cleanup_(close) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_(close) int fd = -1;
	int64_t end = now_ms() + GIVE_UP_MS;
	char interface[IFNAMSIZ];
	struct dhcp_client client;
	struct dhcp_lease lease;

	if (wait_for_ethernet(sock, end, interface) < 0) {
		say("no ethernet interface that could be brought up");
		return;
	}
	if (has_address(sock, interface)) {
		say("%s has an address already", interface);
		return;
	}
	fd = open_socket(interface);
	if (fd < 0 || !get_client(sock, interface, &client)) {
		say("can't talk through %s: %m", interface);
		return;
	}
	if (get_lease(fd, &client, end, &lease))
		configure(sock, interface, &lease);
	else
		say("no answer on %s", interface);
}

static _Noreturn void dhcp_child(void)
{
	sigset_t none;
	int log;

	prctl(PR_SET_NAME, "ktb-dhcp");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log = open("/run/dhcp.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0)
		log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (log >= 0)
		dup2(log, STDERR_FILENO);
	run_dhcp();
	_exit(0);
}

void net_start(void)
{
	_cleanup_(close) int sock = -1;
	pid_t pid;

	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* A kernel without IPv4: nothing to do. */
	if (sock < 0)
		return;
	if (bring_up(sock, "lo") < 0)
		say("can't bring up lo: %m");
	pid = fork();
	if (pid == 0)
		dhcp_child();
	if (pid < 0)
		say("no network: %m");
}
