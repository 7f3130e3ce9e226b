/*
 * Plays QEMU for the supervisor's tests: finds its channels in QEMU's arguments and follows the script behind -fake,
 * one step a line. A step with "kvm:" or "tcg:" in front is for that accelerator only.
 *
 *	greet               greeting, and the answers to what is asked at first
 *	answer CMD          the next command must be CMD; says {}
 *	tell TEXT           the next command must be the monitor's; says TEXT
 *	event NAME [JSON]   sends an event, with data if given
 *	reset REASON        a guest's reset as QEMU and the supervisor go through it
 *	status NAME         what query-status answers from now on; it may be asked at any time
 *	serve               answers whatever comes; ends with status 0 at quit
 *	deaf                reads what comes, answers nothing and never ends
 *	say TEXT            a line on the guest's console
 *	hear TEXT           waits for it on the console's input
 *	hear-bytes N        the same, whatever they are; their sum (of bytes) goes to the log
 *	frame TYPE          waits for a frame to init
 *	raw TEXT            a line on the QMP socket, as it is
 *	stderr TEXT         a line on stderr
 *	attach TEXT         waits for a debugger that sends TEXT, and leaves
 *	hold, release       stops the supervisor, lets it go on: what is sent between comes to it all at once
 *	exit N, kill        the end
 *
 * Each command that came is written to the file behind -fake-log. Whatever is not as the script has it ends the program
 * with status 99.
 */
#include <json-c/json.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>

#include "guest/protocol.h"

static int qmp_fd = -1, init_fd = -1, stub_fd = -1, serial_out_fd = -1, serial_in_fd = -1;
static const char *accel = "", *script, *status = "running";
static FILE *commands, *record;

static __attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("fake QEMU: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(99);
}

static void send_text(int fd, const char *text)
{
	size_t len = strlen(text);

	if (write(fd, text, len) != (ssize_t)len)
		give_up("can't write");
}

static __attribute__((format(printf, 1, 2))) void send_line(const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - 3, fmt, ap);
	va_end(ap);
	strncat(line, "\r\n", 3);
	send_text(qmp_fd, line);
}

/* The next command, its id in *ret_id. The supervisor's death is ours. */
static const char *next_command(int64_t *ret_id)
{
	static char name[256];
	char line[4096];
	struct json_object *object, *value;

	if (!fgets(line, sizeof(line), commands))
		give_up("nobody is left to talk to");
	object = json_tokener_parse(line);
	if (!json_object_object_get_ex(object, "execute", &value))
		give_up("no command: %s", line);
	snprintf(name, sizeof(name), "%s", json_object_get_string(value));
	*ret_id = json_object_object_get_ex(object, "id", &value) ? json_object_get_int64(value) : 0;
	if (record && strcmp(name, "query-status") != 0) {
		json_object_object_get_ex(object, "arguments", &value);
		fprintf(record, "%s%s\n", name,
			value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE) : "");
		fflush(record);
	}
	json_object_put(object);
	return name;
}

static void reply(const char *name, int64_t id)
{
	if (strcmp(name, "query-status") == 0)
		send_line("{\"return\": {\"status\": \"%s\"}, \"id\": %lld}", status, (long long)id);
	else
		send_line("{\"return\": {}, \"id\": %lld}", (long long)id);
}

/* What QEMU may be asked at any time, and a script need not tell. */
static bool is_aside(const char *name)
{
	return strcmp(name, "query-status") == 0 || strcmp(name, "human-monitor-command") == 0;
}

/* Answers the command, which must be the next one but for what comes aside. */
static void answer(const char *wanted)
{
	const char *name;
	int64_t id;

	do {
		name = next_command(&id);
		reply(name, id);
	} while (is_aside(name) && strcmp(wanted, name) != 0);
	if (strcmp(name, wanted) != 0)
		give_up("%s came instead of %s", name, wanted);
}

static void tell(const char *text)
{
	const char *name;
	int64_t id;

	while (strcmp(name = next_command(&id), "query-status") == 0)
		reply(name, id);
	if (strcmp(name, "human-monitor-command") != 0)
		give_up("%s came instead of a line for the monitor", name);
	send_line("{\"return\": \"%s\", \"id\": %lld}", text, (long long)id);
}

static __attribute__((noreturn)) void serve(void)
{
	for (;;) {
		int64_t id;
		const char *name = next_command(&id);

		reply(name, id);
		if (strcmp(name, "quit") == 0)
			_exit(0);
	}
}

static __attribute__((noreturn)) void be_deaf(void)
{
	int64_t id;

	for (;;)
		next_command(&id);
}

static void send_event(const char *text)
{
	const char *data = strchr(text, ' ');

	if (data)
		send_line("{\"event\": \"%.*s\", \"data\": %s}", (int)(data - text), text, data + 1);
	else
		send_line("{\"event\": \"%s\"}", text);
}

static void reset(const char *reason)
{
	send_line("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"%s\"}}", reason);
	send_event("STOP");
	answer("set-action");
	answer("system_reset");
	send_event("RESET {\"guest\": false, \"reason\": \"host-qmp-system-reset\"}");
	answer("set-action");
	answer("cont");
	send_event("RESUME");
}

static void hear(const char *text)
{
	size_t len = strlen(text), got = 0;
	char buffer[4096];

	while (got < len) {
		ssize_t n = read(serial_in_fd, buffer + got, len - got);

		if (n <= 0)
			give_up("can't read the console's input");
		got += (size_t)n;
	}
	if (memcmp(buffer, text, len) != 0)
		give_up("heard %.*s instead of %s", (int)len, buffer, text);
}

static void hear_bytes(size_t wanted)
{
	unsigned char buffer[4096];
	unsigned long sum = 0;

	for (size_t got = 0; got < wanted;) {
		ssize_t n = read(serial_in_fd, buffer, wanted - got < sizeof(buffer) ? wanted - got : sizeof(buffer));

		if (n <= 0)
			give_up("can't read the console's input");
		for (ssize_t i = 0; i < n; i++)
			sum += buffer[i];
		got += (size_t)n;
	}
	if (record) {
		fprintf(record, "heard %lu\n", sum);
		fflush(record);
	}
}

static void read_frame(int type)
{
	unsigned char header[KTB_FRAME_HEADER], payload[256];
	size_t len;

	if (recv(init_fd, header, sizeof(header), MSG_WAITALL) != sizeof(header))
		give_up("no frame came");
	len = header[0] | (size_t)header[1] << 8;
	if (len > sizeof(payload) || (len && recv(init_fd, payload, len, MSG_WAITALL) != (ssize_t)len))
		give_up("half a frame came");
	if (header[4] != type)
		give_up("a frame of type %d came instead of %d", header[4], type);
	if (record && type == KTB_FRAME_WINSIZE) {
		fprintf(record, "size %u %u\n", payload[0] | payload[1] << 8, payload[2] | payload[3] << 8);
		fflush(record);
	}
}

static void attach(const char *text)
{
	char got[256];
	size_t len = strlen(text);
	int fd = accept(stub_fd, NULL, NULL);

	if (fd < 0 || recv(fd, got, len, MSG_WAITALL) != (ssize_t)len || memcmp(got, text, len) != 0)
		give_up("the debugger did not send %s", text);
	close(fd);
}

static void say(const char *text)
{
	send_text(serial_out_fd, text);
	send_text(serial_out_fd, "\r\n");
}

static void step(const char *line)
{
	char word[64];
	const char *rest = strchr(line, ' ');

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(line, " "), line);
	rest = rest ? rest + 1 : "";
	if (strcmp(word, "greet") == 0) {
		send_line("{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}");
		answer("qmp_capabilities");
		answer("query-status");
	} else if (strcmp(word, "answer") == 0) {
		answer(rest);
	} else if (strcmp(word, "tell") == 0) {
		tell(rest);
	} else if (strcmp(word, "event") == 0) {
		send_event(rest);
	} else if (strcmp(word, "reset") == 0) {
		reset(rest);
	} else if (strcmp(word, "status") == 0) {
		status = strdup(rest);
	} else if (strcmp(word, "serve") == 0) {
		serve();
	} else if (strcmp(word, "deaf") == 0) {
		be_deaf();
	} else if (strcmp(word, "say") == 0) {
		say(rest);
	} else if (strcmp(word, "hear") == 0) {
		hear(rest);
	} else if (strcmp(word, "hear-bytes") == 0) {
		hear_bytes(strtoul(rest, NULL, 10));
	} else if (strcmp(word, "frame") == 0) {
		read_frame((int)strtol(rest, NULL, 10));
	} else if (strcmp(word, "raw") == 0) {
		send_line("%s", rest);
	} else if (strcmp(word, "stderr") == 0) {
		fprintf(stderr, "%s\n", rest);
	} else if (strcmp(word, "attach") == 0) {
		attach(rest);
	} else if (strcmp(word, "hold") == 0) {
		kill(getppid(), SIGSTOP);
	} else if (strcmp(word, "release") == 0) {
		kill(getppid(), SIGCONT);
	} else if (strcmp(word, "exit") == 0) {
		_exit((int)strtol(rest, NULL, 10));
	} else if (strcmp(word, "kill") == 0) {
		raise(SIGKILL);
	} else {
		give_up("no such step: %s", line);
	}
}

static int open_fifo(const char *path, const char *suffix)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return open(name, O_RDWR | O_CLOEXEC);
}

static void read_chardev(const char *text)
{
	char id[32] = "", path[1024] = "";
	int fd = -1;

	if (sscanf(text, "pipe,id=serial,path=%1023s", path) == 1) {
		serial_out_fd = open_fifo(path, ".out");
		serial_in_fd = open_fifo(path, ".in");
	} else if (sscanf(text, "socket,id=%31[^,],fd=%d", id, &fd) == 2) {
		*(strcmp(id, "qmp") == 0    ? &qmp_fd
		  : strcmp(id, "init") == 0 ? &init_fd
		  : strcmp(id, "stub") == 0 ? &stub_fd
					    : &(int){ 0 }) = fd;
		if (strcmp(id, "stub") == 0)
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	}
}

static void read_arguments(char **argv)
{
	for (; argv[0] && argv[1]; argv++) {
		if (strcmp(argv[0], "-chardev") == 0)
			read_chardev(argv[1]);
		else if (strcmp(argv[0], "-accel") == 0)
			accel = argv[1];
		else if (strcmp(argv[0], "-fake") == 0)
			script = argv[1];
		else if (strcmp(argv[0], "-fake-log") == 0)
			record = fopen(argv[1], "ae");
	}
}

int main(int argc, char **argv)
{
	char *text, *line;

	(void)argc;
	read_arguments(argv + 1);
	if (!script || qmp_fd < 0 || init_fd < 0 || stub_fd < 0 || serial_out_fd < 0 || serial_in_fd < 0)
		give_up("something is missing in the arguments");
	commands = fdopen(qmp_fd, "r");
	/* A test that went wrong must not leave us behind. */
	alarm(120);
	text = strdup(script);
	while ((line = strsep(&text, "\n"))) {
		line += strspn(line, "\t ");
		if (!*line)
			continue;
		if (line[3] == ':') {
			if (strncmp(line, accel, 3) != 0)
				continue;
			line += 4 + strspn(line + 4, " ");
		}
		step(line);
	}
	give_up("the script is over");
}
