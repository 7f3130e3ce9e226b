/*
 * A kernel with KGDB and kdb at the other end of a line, for tests: a process that does what kernel/debug/ of Linux does with the
 * bytes it gets. It runs, stands at kdb's prompt, or stands in its stub. A BREAK is a byte 0xfe.
 */
#pragma once

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"

enum fake_state { FAKE_RUNS, FAKE_KDB, FAKE_KGDB };
enum { FAKE_BREAK = 0xfe, FAKE_CPUS = 2, FAKE_MEMORY = 0x1000, FAKE_REGISTERS = 156, FAKE_PC = 128, FAKE_SP = 56 };

/* Shared between the process and the test. */
struct fake {
	/* What it is. */
	bool has_kgdb, has_kdb, is_deaf;
	bool corrupts_next;   /* its next packet is damaged, once */
	bool splits_next;     /* its next packet comes in two parts, the second one late, once */
	uint32_t stopped_cpu; /* from 0 */
	const char *says;     /* when it is let go on */
	size_t floods;        /* so many bytes of text, then it stops */
	bool hits;            /* then it comes to its first breakpoint */
	bool leaves;          /* it has forgotten its debugger, as one that reboots has */
	/* What became of it. */
	enum fake_state state;
	int breaks, continues;
	char typed[4096]; /* on the console of the kernel that ran */
	size_t typed_n;
	uint64_t breakpoints[8], pc[FAKE_CPUS];
	uint8_t memory[FAKE_MEMORY]; /* at FAKE_MEMORY */
};

struct fake_process {
	struct fake *f;
	int fd;
	bool after_break, connected;
	char line[256]; /* kdb's */
	size_t line_n;
	char packet[4096]; /* KGDB's, from $ on */
	size_t packet_n;
	uint32_t selected;
	struct buf last;
};

static inline void fake_write(struct fake_process *p, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(p->fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		bytes += n;
		len -= (size_t)n;
	}
}

static inline void fake_say(struct fake_process *p, const char *text)
{
	fake_write(p, text, strlen(text));
}

static inline unsigned int fake_sum(const char *bytes, size_t len)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (unsigned char)bytes[i];
	return sum & 0xff;
}

static inline void fake_reply(struct fake_process *p, const char *payload)
{
	buf_clear(&p->last);
	buf_printf(&p->last, "$%s#%02x", payload, fake_sum(payload, strlen(payload)));
	if (p->f->corrupts_next) {
		struct buf bad = BUF_INIT;

		p->f->corrupts_next = false;
		buf_append(&bad, p->last.data, p->last.len);
		bad.data[1] ^= 1;
		fake_write(p, bad.data, bad.len);
		buf_deinit(&bad);
		return;
	}
	fake_write(p, p->last.data, 1);
	/* Longer than a prompt would be waited for. */
	if (p->f->splits_next)
		usleep(500000);
	p->f->splits_next = false;
	fake_write(p, p->last.data + 1, p->last.len - 1);
}

static inline void fake_prompt(struct fake_process *p)
{
	fake_say(p, "\n[0]kdb> ");
}

static inline void fake_stop(struct fake_process *p)
{
	p->packet_n = p->line_n = 0;
	p->selected = p->f->stopped_cpu;
	if (p->f->has_kdb && !p->connected) {
		p->f->state = FAKE_KDB;
		fake_say(p, "\nEntering kdb (current=0x1, pid 0) on processor 0\n[0]kdb> ");
		return;
	}
	p->f->state = FAKE_KGDB;
	if (p->connected)
		fake_reply(p, "T05thread:0000000000000001;");
}

static inline void fake_go_on(struct fake_process *p)
{
	struct fake *f = p->f;
	static const char row[] = "what the guest says, forty-eight bytes of text.\n";

	f->continues++;
	f->state = FAKE_RUNS;
	if (f->says)
		fake_say(p, f->says);
	for (size_t n = 0; n < f->floods; n += sizeof(row) - 1)
		fake_write(p, row, sizeof(row) - 1);
	if (f->hits && f->breakpoints[0]) {
		f->pc[f->stopped_cpu] = f->breakpoints[0] + 1;
		fake_stop(p);
	} else if (f->floods) {
		fake_stop(p);
	}
}

static inline void fake_registers(const struct fake_process *p, struct buf *ret)
{
	for (int i = 0; i < FAKE_REGISTERS; i++) {
		uint64_t pc = p->f->pc[p->selected];
		unsigned int byte = 0;

		if (i >= FAKE_PC && i < FAKE_PC + 8)
			byte = pc >> 8 * (i - FAKE_PC) & 0xff;
		else if (i == FAKE_SP + 1)
			byte = 0x10 * (p->selected + 1);
		buf_printf(ret, "%02x", byte);
	}
}

/* As the kernel does for D, k and 3 (dbg_remove_all_break()). */
static inline void fake_remove_all(struct fake_process *p)
{
	memset(p->f->breakpoints, 0, sizeof(p->f->breakpoints));
}

static inline void fake_breakpoint(struct fake_process *p, bool insert, uint64_t address)
{
	uint64_t old = insert ? 0 : address;

	for (size_t i = 0; i < ARRAY_SIZE(p->f->breakpoints); i++) {
		if (p->f->breakpoints[i] != old)
			continue;
		p->f->breakpoints[i] = insert ? address : 0;
		fake_reply(p, "OK");
		return;
	}
	fake_reply(p, "E22");
}

static inline void fake_obey(struct fake_process *p, const char *packet)
{
	struct fake *f = p->f;
	struct buf reply = BUF_INIT;
	unsigned long long a, b;
	unsigned int kind, id;
	int at = 0;

	if (streq(packet, "?")) {
		fake_reply(p, "S05");
	} else if (streq(packet, "qfThreadInfo")) {
		fake_reply(p, "mfffffffffffffffe,fffffffffffffffd,0000000000000001");
	} else if (streq(packet, "qC")) {
		fake_reply(p, "QC0000000000000001");
	} else if (sscanf(packet, "Hg%x", &id) == 1) {
		p->selected = id ? (uint32_t) - (int32_t)id - 2 : f->stopped_cpu;
		fake_reply(p, p->selected < FAKE_CPUS ? "OK" : "E22");
	} else if (streq(packet, "g")) {
		fake_registers(p, &reply);
		fake_reply(p, buf_str(&reply));
	} else if (sscanf(packet, "P10=%16llx", &a) == 1) {
		f->pc[p->selected] = __builtin_bswap64(a);
		fake_reply(p, "OK");
	} else if (sscanf(packet, "m%llx,%llx", &a, &b) == 2) {
		if (a < FAKE_MEMORY || a + b > 2 * FAKE_MEMORY) {
			fake_reply(p, "E14");
		} else {
			for (size_t i = 0; i < b; i++)
				buf_printf(&reply, "%02x", f->memory[a - FAKE_MEMORY + i]);
			fake_reply(p, buf_str(&reply));
		}
	} else if (sscanf(packet, "M%llx,%llx:%n", &a, &b, &at) == 2 && at) {
		for (size_t i = 0; i < b && a - FAKE_MEMORY + i < FAKE_MEMORY; i++) {
			unsigned int byte = 0;

			sscanf(packet + at + 2 * i, "%2x", &byte);
			f->memory[a - FAKE_MEMORY + i] = (uint8_t)byte;
		}
		fake_reply(p, "OK");
	} else if (sscanf(packet, "Z%u,%llx", &kind, &a) == 2) {
		fake_breakpoint(p, true, a);
	} else if (sscanf(packet, "z%u,%llx", &kind, &a) == 2) {
		fake_breakpoint(p, false, a);
	} else if (streq(packet, "s")) {
		f->pc[f->stopped_cpu]++;
		p->connected = true;
		fake_reply(p, "T05thread:0000000000000001;");
	} else if (streq(packet, "c") || streq(packet, "C09")) {
		p->connected = true;
		fake_go_on(p);
	} else if (streq(packet, "D")) {
		fake_remove_all(p);
		p->connected = false;
		fake_reply(p, "OK");
		fake_go_on(p);
	} else if (streq(packet, "3") && f->has_kdb) {
		fake_remove_all(p);
		p->connected = false;
		f->state = FAKE_KDB;
		p->line_n = 0;
		fake_prompt(p);
	} else {
		fake_reply(p, "");
	}
	buf_deinit(&reply);
}

/* As get_packet() of kernel/debug/gdbstub.c: a $ in the midst of a packet is nothing special. */
static inline void fake_packet_byte(struct fake_process *p, char c)
{
	unsigned int sum;

	if (!p->packet_n) {
		if (c == '-' && p->last.len)
			fake_write(p, p->last.data, p->last.len);
		if (c != '$')
			return;
	}
	if (p->packet_n < sizeof(p->packet) - 1)
		p->packet[p->packet_n++] = c;
	if (p->packet_n < 4 || p->packet[p->packet_n - 3] != '#')
		return;
	p->packet[p->packet_n] = '\0';
	if (sscanf(p->packet + p->packet_n - 2, "%2x", &sum) != 1 || sum != fake_sum(p->packet + 1, p->packet_n - 4)) {
		p->packet_n = 0;
		fake_say(p, "-");
		return;
	}
	p->packet[p->packet_n - 3] = '\0';
	p->packet_n = 0;
	fake_say(p, "+");
	fake_obey(p, p->packet + 1);
}

/* As kdb_read() and kgdb_transition_check() of kernel/debug/kdb/kdb_io.c: a line that begins as a packet does, and is one. */
static inline void fake_kdb_byte(struct fake_process *p, char c)
{
	char echo[2] = { c, '\0' };

	if (c == '\b' && p->line_n) {
		p->line_n--;
		fake_say(p, "\b \b");
	}
	if (c == '\r') {
		bool go = p->line_n == 2 && memcmp(p->line, "go", 2) == 0;

		p->line_n = 0;
		fake_say(p, "\n");
		if (go)
			fake_go_on(p);
		else
			fake_prompt(p);
		return;
	}
	if (c < 32 || p->line_n == sizeof(p->line))
		return;
	p->line[p->line_n++] = c;
	if (p->line[0] != '$' && p->line[0] != '+') {
		fake_say(p, echo);
		return;
	}
	if (p->line_n < 4 || p->line[p->line_n - 3] != '#')
		return;
	p->f->state = FAKE_KGDB;
	p->packet_n = 0;
	p->selected = p->f->stopped_cpu;
	for (size_t i = 0; i < p->line_n; i++)
		fake_packet_byte(p, p->line[i]);
}

static inline void fake_console_byte(struct fake_process *p, unsigned char c)
{
	struct fake *f = p->f;

	if (c == FAKE_BREAK) {
		f->breaks++;
		p->after_break = true;
		return;
	}
	if (p->after_break && c == 'g') {
		p->after_break = false;
		if (!f->has_kgdb) {
			fake_say(p, "sysrq: HELP : loglevel(0-9) reboot(b) crash(c)\n");
		} else {
			fake_say(p, "sysrq: DEBUG\n");
			fake_stop(p);
		}
		return;
	}
	p->after_break = false;
	if (f->typed_n < sizeof(f->typed) - 1)
		f->typed[f->typed_n++] = (char)c;
}

static inline __attribute__((noreturn)) void fake_run(struct fake *f, int fd)
{
	struct fake_process p = { .f = f, .fd = fd };
	unsigned char c;

	while (read(fd, &c, 1) == 1) {
		if (f->is_deaf)
			continue;
		if (f->state == FAKE_RUNS)
			fake_console_byte(&p, c);
		else if (c == FAKE_BREAK)
			f->breaks++;
		else if (f->state == FAKE_KDB)
			fake_kdb_byte(&p, (char)c);
		else
			fake_packet_byte(&p, (char)c);
	}
	_exit(0);
}
