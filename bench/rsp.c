/*
 * A raw client of the remote serial protocol, as fast as can be: what debug servers are measured by.
 *
 * usage: rsp PEER hits ADDRESS
 *			a breakpoint there; at each hit the registers are read, the CPU is stepped and goes on; until SIGTERM, when
 *			the hits are printed
 *	  rsp PEER read ADDRESS BYTES TIMES
 *			reads memory in the largest pieces that the peer takes, and prints the seconds for one time
 *
 * PEER: the number of a port of 127.0.0.1, or the path of a socket. Addresses and sizes are hexadecimal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fd;
static char reply[1 << 20], pending[1 << 20];
static size_t pending_n;
static volatile sig_atomic_t ended;

static __attribute__((noreturn)) void die(const char *what)
{
	fprintf(stderr, "rsp: %s\n", what);
	exit(1);
}

static void on_term(int number)
{
	(void)number;
	ended = 1;
}

static void dial(const char *peer)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	if (strchr(peer, '/')) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", peer);
		if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
			die("can't connect");
		return;
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	in.sin_port = htons((unsigned short)strtoul(peer, NULL, 10));
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("can't connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void put(const char *bytes, size_t n)
{
	if (write(fd, bytes, n) != (ssize_t)n)
		die("the peer is gone");
}

/* The next packet, into reply; its length. False if a signal came first. */
static bool get(void)
{
	for (;;) {
		char *start = memchr(pending, '$', pending_n);
		char *end = start ? memchr(start, '#', pending_n - (size_t)(start - pending)) : NULL;
		ssize_t n;

		if (end && (size_t)(end - pending) + 3 <= pending_n) {
			size_t used = (size_t)(end - pending) + 3;

			memcpy(reply, start + 1, (size_t)(end - start - 1));
			reply[end - start - 1] = '\0';
			memmove(pending, pending + used, pending_n - used);
			pending_n -= used;
			return true;
		}
		if (pending_n == sizeof(pending))
			die("a packet is too long");
		n = read(fd, pending + pending_n, sizeof(pending) - pending_n);
		if (n < 0 && errno == EINTR)
			return false;
		if (n <= 0)
			die("the peer is gone");
		pending_n += (size_t)n;
	}
}

/* The acknowledgment of the last reply goes along. */
static void ask(const char *payload)
{
	char packet[256];
	unsigned int sum = 0;

	for (const char *c = payload; *c; c++)
		sum += (unsigned char)*c;
	put(packet, (size_t)snprintf(packet, sizeof(packet), "+$%s#%02x", payload, sum & 0xff));
}

static const char *call(const char *payload)
{
	ask(payload);
	while (!get())
		;
	return reply;
}

static int count_hits(const char *address)
{
	struct sigaction action = { .sa_handler = on_term };
	const char *thread;
	char plant[64], step[64], select[16];
	unsigned long hits = 0;

	sigaction(SIGTERM, &action, NULL);
	snprintf(plant, sizeof(plant), "Z0,%s,1", address);
	if (strcmp(call(plant), "OK") != 0)
		die("no breakpoint can be set");
	fprintf(stderr, "ready\n");
	while (!ended) {
		ask("vCont;c");
		if (!get())
			break;
		hits++;
		thread = strstr(reply, "thread:");
		snprintf(select, sizeof(select), "Hg%.8s", thread ? thread + strlen("thread:") : "1;");
		*strchrnul(select, ';') = '\0';
		snprintf(step, sizeof(step), "vCont;s:%s", select + 2);
		call(select);
		call("g");
		call(step);
	}
	put("\003", 1);
	while (!get())
		;
	plant[0] = 'z';
	call(plant);
	call("D");
	printf("%lu\n", hits);
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_memory(const char *address, const char *bytes, const char *times, size_t packet_size)
{
	unsigned long start = strtoul(address, NULL, 16), size = strtoul(bytes, NULL, 16), n = strtoul(times, NULL, 10);
	/* Two digits for each, and a frame. */
	unsigned long piece = (packet_size - 8) / 2;
	double began = now();

	for (unsigned long i = 0; i < n; i++) {
		for (unsigned long at = 0; at < size; at += piece) {
			unsigned long len = size - at < piece ? size - at : piece;
			char request[64];

			snprintf(request, sizeof(request), "m%lx,%lx", start + at, len);
			if (strlen(call(request)) != 2 * len)
				die("memory can't be read");
		}
	}
	printf("%.6f\n", (now() - began) / (double)n);
	call("D");
	return 0;
}

/* A stub that stops its machine when somebody connects says so. */
static void drop_what_comes_unasked(void)
{
	usleep(200000);
	while (recv(fd, pending, sizeof(pending), MSG_DONTWAIT) > 0)
		;
}

int main(int argc, char **argv)
{
	unsigned long packet_size;
	const char *size;

	if (argc < 4)
		die("usage: see the source");
	dial(argv[1]);
	drop_what_comes_unasked();
	size = strstr(call("qSupported"), "PacketSize=");
	packet_size = size ? strtoul(size + strlen("PacketSize="), NULL, 16) : 400;
	call("?");
	if (strcmp(argv[2], "hits") == 0)
		return count_hits(argv[3]);
	if (strcmp(argv[2], "read") == 0 && argc == 6)
		return read_memory(argv[3], argv[4], argv[5], packet_size);
	die("usage: see the source");
}
