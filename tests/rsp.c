/*
 * A raw client of the remote serial protocol: what debug servers are measured by, and compared with.
 *
 * usage: rsp PEER hits ADDRESS
 *			a breakpoint there; at each hit the registers are read, the CPU is stepped and goes on; until SIGTERM, when
 *			the hits are printed
 *	  rsp PEER read ADDRESS BYTES TIMES
 *			reads memory in the largest pieces that the peer takes, as bytes if it has a packet for that, and prints
 *			the seconds for one time
 *	  rsp PEER interrupt TIMES
 *			lets it run and interrupts it, so many times, and prints the seconds that the slowest stop took
 *	  rsp PEER stir SEED
 *			has the machine do something, as the seed says: steps, runs, breakpoints, writes below the stack; leaves
 *			it stopped
 *	  rsp PEER answers SEED
 *			asks for memory and registers, as the seed says, and some nonsense; prints each question with its
 *			answer, none for an error. The machine is left as it was, stopped.
 *
 * PEER: the number of a port of 127.0.0.1, or the path of a socket. Addresses and sizes are hexadecimal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
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
static size_t reply_n, pending_n;
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

/* A packet's bytes, into reply, with a NUL behind: runs are written out. */
static void expand(const char *from, const char *end)
{
	reply_n = 0;
	while (from < end) {
		const char *star = memchr(from, '*', (size_t)(end - from));
		size_t n = (size_t)((star ? star : end) - from),
		       more = star && star + 1 < end ? (size_t)(star[1] - 29) : 0;

		if (reply_n + n + more >= sizeof(reply) || (more && !(reply_n + n)))
			die("a packet is too long, or begins with a run");
		memcpy(reply + reply_n, from, n);
		reply_n += n;
		if (more)
			memset(reply + reply_n, reply[reply_n - 1], more);
		reply_n += more;
		from = star ? star + 2 : end;
	}
	reply[reply_n] = '\0';
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

			expand(start + 1, end);
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

/* Once a client has said multiprocess+, QEMU's stub takes no D without a process any more. */
static void detach(void)
{
	if (strcmp(call("D"), "OK") != 0)
		call("D;1");
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
	detach();
	printf("%lu\n", hits);
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many bytes a reply to x has. */
static unsigned long binary_bytes(void)
{
	size_t n = 0;

	if (!reply_n || *reply != 'b')
		die("memory can't be read");
	for (const char *c = reply + 1, *end = reply + reply_n, *next; c < end; c = next + 2, n++) {
		next = memchr(c, '}', (size_t)(end - c));
		if (!next)
			return n + (unsigned long)(end - c);
		n += (size_t)(next - c);
	}
	return n;
}

static int read_memory(const char *address, const char *bytes, const char *times, size_t packet_size, int binary)
{
	unsigned long start = strtoul(address, NULL, 16), size = strtoul(bytes, NULL, 16), n = strtoul(times, NULL, 10);
	/* A frame; and two digits for each. */
	unsigned long piece = (packet_size - 8) / (binary ? 1 : 2);
	double began = now();

	for (unsigned long i = 0; i < n; i++) {
		for (unsigned long at = 0, len; at < size; at += len) {
			char request[64];

			len = size - at < piece ? size - at : piece;
			snprintf(request, sizeof(request), "%c%lx,%lx", binary ? 'x' : 'm', start + at, len);
			call(request);
			/* What has to be escaped takes more room, so there may be less. */
			if (binary)
				len = binary_bytes();
			if (!len || (!binary && reply_n != 2 * len))
				die("memory can't be read");
		}
	}
	printf("%.6f\n", (now() - began) / (double)n);
	detach();
	return 0;
}

static int interrupt(const char *times)
{
	unsigned long n = strtoul(times, NULL, 10);
	double slowest = 0, began, took;

	for (unsigned long i = 0; i < n; i++) {
		ask("vCont;c");
		usleep(20000);
		began = now();
		put("\003", 1);
		while (!get())
			;
		took = now() - began;
		slowest = took > slowest ? took : slowest;
	}
	printf("%.6f\n", slowest);
	call("D");
	return 0;
}

/* --- Questions and deeds by chance --- */

static unsigned long chance_state;

/* xorshift64: the same numbers for the same seed. */
static unsigned long chance(unsigned long below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return chance_state % below;
}

/* A 64-bit register of a g packet's digits. */
static unsigned long register_of(const char *g, unsigned int number)
{
	unsigned long value = 0;

	for (unsigned int i = 8; i-- > 0;) {
		char digits[3] = { g[number * 16 + 2 * i], g[number * 16 + 2 * i + 1], '\0' };

		value = value << 8 | strtoul(digits, NULL, 16);
	}
	return value;
}

enum { RSP_NUMBER = 7, RIP_NUMBER = 16, REGISTERS_DIGITS = 17 * 16 };

static void read_places(unsigned long *ret_sp, unsigned long *ret_pc)
{
	const char *g = call("g");

	if (strlen(g) < REGISTERS_DIGITS)
		die("there are too few registers");
	*ret_sp = register_of(g, RSP_NUMBER);
	*ret_pc = register_of(g, RIP_NUMBER);
}

/* Where memory is, mostly: code, what is around the stack and the direct map's beginning; and where there is none. */
static unsigned long some_address(unsigned long sp, unsigned long pc)
{
	switch (chance(7)) {
	case 0:
		return sp + chance(4096);
	case 1:
		return pc - 64 + chance(256);
	case 2:
	case 3:
		return 0xffffffff81000000 + chance(0x1400000);
	case 4:
		return 0xffff888000000000 + chance(0x4000000);
	case 5:
		return chance(0x10000);
	default:
		return chance_state;
	}
}

static void show(const char *question)
{
	const char *answer = call(question);

	/* Whether a stub calls it an error or says that it doesn't know it is its own affair. */
	printf("%s = %s\n", question, answer[0] == 'E' && strlen(answer) == 3 ? "" : answer);
}

static int print_answers(const char *seed)
{
	static const char *const nonsense[] = { "vFoo", "qFoo", "QFoo", "mzz,4", "m1", "vCont;q", "Z9,0,1" };
	unsigned long sp, pc;
	char question[128];

	chance_state = strtoul(seed, NULL, 10) * 2654435761 + 1;
	read_places(&sp, &pc);
	show("g");
	for (int i = 0; i < 150; i++) {
		unsigned long address = some_address(sp, pc);

		if (i % 10 == 9) {
			show(nonsense[chance(sizeof(nonsense) / sizeof(nonsense[0]))]);
			continue;
		}
		/* A piece that begins in memory and doesn't end in it: how much of that is given is anybody's choice. */
		snprintf(question, sizeof(question), "m%lx,%lx", address, 1 + chance(4096 - address % 4096) % 600);
		show(question);
	}
	for (int i = 0; i < 20; i++) {
		snprintf(question, sizeof(question), "p%lx", chance(60));
		show(question);
	}
	return 0;
}

static void run_a_little(void)
{
	ask("vCont;c");
	usleep(1000 + (useconds_t)chance(5000));
	put("\003", 1);
	while (!get())
		;
}

/* A CPU that is halted makes no step, as long as interrupts are kept from it. */
static void step(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ask("vCont;s:1");
	/* The acknowledgment alone comes at once. */
	while (!memchr(pending, '#', pending_n)) {
		ssize_t n;

		if (poll(&p, 1, 300) == 0)
			put("\003", 1);
		n = read(fd, pending + pending_n, sizeof(pending) - pending_n);
		if (n <= 0)
			die("the peer is gone");
		pending_n += (size_t)n;
	}
	while (!get())
		;
}

static int stir(const char *seed)
{
	unsigned long sp, pc;
	char text[128], again[256];

	chance_state = strtoul(seed, NULL, 10) * 40503 + 1;
	for (int i = 0; i < 12; i++) {
		read_places(&sp, &pc);
		switch (chance(5)) {
		case 0:
			run_a_little();
			break;
		case 1:
			snprintf(text, sizeof(text), "Z%lu,%lx,1", chance(2), pc);
			call(text);
			step();
			text[0] = 'z';
			call(text);
			break;
		case 2:
			snprintf(text, sizeof(text), "M%lx,8:%016lx", sp - 256 - chance(256), chance_state);
			call(text);
			break;
		case 3:
			/* With a value that it has. */
			snprintf(text, sizeof(text), "p%lx", chance(16));
			call(text);
			snprintf(again, sizeof(again), "P%s=%.32s", text + 1, reply);
			call(again);
			break;
		default:
			for (unsigned long n = chance(20); n; n--)
				step();
		}
	}
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
	int binary;

	if (argc < 4)
		die("usage: see the source");
	dial(argv[1]);
	drop_what_comes_unasked();
	size = strstr(call("qSupported"), "PacketSize=");
	binary = strstr(reply, "binary-upload+") != NULL;
	packet_size = size ? strtoul(size + strlen("PacketSize="), NULL, 16) : 400;
	call("?");
	/* QEMU's stub answers p only to those who have read which registers there are. */
	call("qXfer:features:read:target.xml:0,ffb");
	if (strcmp(argv[2], "hits") == 0)
		return count_hits(argv[3]);
	if (strcmp(argv[2], "read") == 0 && argc == 6)
		return read_memory(argv[3], argv[4], argv[5], packet_size, binary);
	if (strcmp(argv[2], "interrupt") == 0)
		return interrupt(argv[3]);
	if (strcmp(argv[2], "stir") == 0)
		return stir(argv[3]);
	if (strcmp(argv[2], "answers") == 0)
		return print_answers(argv[3]);
	die("usage: see the source");
}
