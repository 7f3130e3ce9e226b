/*
 * What a running VM is asked and told, with a QEMU that follows a script: requests, the console, the debug port.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include "supervised.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/sock.h"

/* --- Requests --- */

static void stop_asks_the_guest(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "greet\n" INIT_UP "frame 2\n frame 3\n" POWEROFF);
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 50, 300));
	wait_for_text(v, "commands", "size 50 300");
	assert_null(control_stop(sock, false, NULL, NULL));
	expect_end(v, 0);
	expect_not_said(v, "did not power off");
}

static void a_size_known_before_is_sent_when_init_is_up(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "hear now\n greet\n" INIT_UP "frame 2\n" INIT_DOWN INIT_UP "frame 2\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 25, 81));
	_cleanup_(close) int serial = dial(v, "serial.sock");
	assert_int_equal(write(serial, "now", 3), 3);
	wait_for_text(v, "commands", "size 25 81\nsize 25 81");
	assert_null(control_stop(sock, true, NULL, NULL));
	expect_end(v, 0);
}

static void count_seconds(unsigned int seconds, void *user)
{
	unsigned int *last = user;

	assert_int_equal(seconds, *last + 1);
	*last = seconds;
}

static void who_waits_is_told_so(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;
	unsigned int last = 0;

	v->params.patience.stop = 2500;
	start(v, "greet\n" INIT_UP "frame 2\n frame 3\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 24, 80));
	wait_for_text(v, "commands", "size 24 80");
	assert_null(control_stop(sock, false, count_seconds, &last));
	assert_in_range(last, 2, 10);
	expect_end(v, 0);
}

static void a_guest_that_does_not_power_off_is_ended(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	v->params.patience.stop = 200;
	start(v, "greet\n" INIT_UP "frame 2\n frame 3\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 24, 80));
	wait_for_text(v, "commands", "size 24 80");
	assert_null(control_stop(sock, false, NULL, NULL));
	expect_end(v, 0);
	expect_said(v, "the guest did not power off; ending the VM");
}

static void stop_does_not_ask_one_that_can_not_hear(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "greet\n event STOP\n status paused\n serve");
	wait_for_status(v, "paused");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false, NULL, NULL));
	expect_end(v, 0);
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

static void the_ram_is_shared_for_reading(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1, ram = -1;
	uint64_t size;
	void *p;

	start(v, "greet\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_ram(sock, &ram, &size));
	assert_int_equal(size, 64 * MIB);
	assert_int_equal(lseek(ram, 0, SEEK_END), 64 * MIB);
	assert_int_equal(fcntl(ram, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(ram, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	p = mmap(NULL, MIB, PROT_READ, MAP_SHARED, ram, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_ptr_equal(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0), MAP_FAILED);
	assert_null(control_stop(sock, true, NULL, NULL));
	expect_end(v, 0);
	/* It outlives QEMU and the supervisor. */
	assert_int_equal(*(volatile char *)p, 0);
	munmap(p, MIB);
}

/* Forty requests: were a descriptor left behind each time, it would show. */
static void asking_for_the_ram_costs_no_descriptor(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;
	_cleanup_(free) char *path = NULL;
	int counts[2] = { 0, 0 };

	start(v, "greet\n serve");
	wait_for_text(v, "messages", "started");
	sock = dial(v, "control.sock");
	path = xasprintf("/proc/%d/fd", (int)v->supervisor.pid);
	for (int i = 0; i < 2; i++) {
		_cleanup_(closedir) DIR *dir = NULL;
		_cleanup_(free) char *status = NULL;

		for (int j = 0; j < 40 * i; j++) {
			_cleanup_(close) int ram = -1;
			uint64_t size;

			assert_null(control_ram(sock, &ram, &size));
		}
		/* What comes before its answer is done with. */
		assert_null(control_status(sock, &status));
		dir = opendir(path);
		assert_non_null(dir);
		while (readdir(dir))
			counts[i]++;
	}
	assert_int_equal(counts[0], counts[1]);
	assert_null(control_stop(sock, true, NULL, NULL));
	expect_end(v, 0);
}

static void the_console_goes_both_ways(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int serial = -1, other = -1;
	char text[64] = "";

	start(v, "greet\n hear knock\n say come in\n serve");
	serial = dial(v, "serial.sock");
	other = dial(v, "serial.sock");
	/* Both are known once the control socket, which came later, has answered. */
	wait_for_status(v, "running");
	assert_int_equal(write(serial, "knock", 5), 5);
	assert_int_equal(recv(serial, text, 9, MSG_WAITALL), 9);
	assert_string_equal(text, "come in\r\n");
	assert_int_equal(recv(other, text, 9, MSG_WAITALL), 9);
	ask_to_stop(v, STOP);
	/* The end of the VM is the end of the connection. */
	assert_int_equal(recv(serial, text, 1, 0), 0);
	expect_end(v, 0);
}

/* More than the FIFO and the supervisor hold; the guest reads it late, and all of it is there. */
static void input_waits_for_a_guest_that_does_not_read(void **state)
{
	enum { SIZE = 6 << 20 };
	struct vm *v = *state;
	_cleanup_(close) int serial = -1;
	char *bytes = xmalloc(SIZE);
	unsigned long sum = 0;
	size_t sent = 0;
	_cleanup_(free) char *heard = NULL;

	for (size_t i = 0; i < SIZE; i++)
		sum += (unsigned char)(bytes[i] = (char)(i % 251));
	start(v, "greet\n" INIT_UP "frame 2\n hear-bytes 6291456\n serve");
	serial = dial(v, "serial.sock");
	set_nonblock(serial, true);
	for (int idle = 0; idle < 50;) {
		ssize_t n = send(serial, bytes + sent, SIZE - sent, MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		} else {
			usleep(10000);
			idle++;
		}
	}
	/* It is held back, and neither dropped nor kept without end. */
	assert_in_range(sent, MIB, 4 * MIB);
	wait_for_status(v, "running");
	_cleanup_(close) int sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 24, 80));
	set_nonblock(serial, false);
	assert_int_equal(send(serial, bytes + sent, SIZE - sent, MSG_NOSIGNAL), SIZE - sent);
	heard = xasprintf("heard %lu\n", sum);
	wait_for_text(v, "commands", heard);
	free(bytes);
	assert_null(control_stop(sock, true, NULL, NULL));
	expect_end(v, 0);
}

static void a_full_disk_costs_pieces_of_the_log_and_nothing_else(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int serial = -1;
	char text[64] = "";

	v->disk_full = true;
	start(v, "greet\n hear knock\n say come in\n hear knock\n say come in\n serve");
	serial = dial(v, "serial.sock");
	wait_for_status(v, "running");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write(serial, "knock", 5), 5);
		assert_int_equal(recv(serial, text, 9, MSG_WAITALL), 9);
		assert_string_equal(text, "come in\r\n");
	}
	wait_for_status(v, "running");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
	expect_said(v, "the console's log has gaps from now on: write the console's log: No space left");
	expect_said(v, "No space left on device");
}

static void the_status_tells_of_the_init(void **state)
{
	struct vm *v = *state;
	_cleanup_(free) char *status = NULL;
	_cleanup_(close) int sock = -1;
	struct control_guest guest;

	v->params.own_init = true;
	start(v, "greet\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_guest_status(sock, &status, &guest));
	assert_true(guest.own_init);
	assert_false(guest.up);
	assert_int_equal(guest.resets, 0);
	ask_to_stop(v, "{\"op\":\"stop\",\"force\":true}\n");
	expect_end(v, 0);
}

/* --- What it says itself --- */

/* A pipe that has no room left: both ends. */
static void make_full_pipe(int *ret_read, int *ret_write)
{
	static const char bytes[4096];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	set_nonblock(fds[1], true);
	while (write(fds[1], bytes, sizeof(bytes)) > 0)
		;
	set_nonblock(fds[1], false);
	*ret_read = fds[0];
	*ret_write = fds[1];
}

#define PANICS                                                                                                         \
	"greet\n status guest-panicked\n event GUEST_PANICKED {\"action\": \"pause\"}\n event STOP\n "                 \
	"hear knock\n say come in\n serve"

static void expect_alive(struct vm *v)
{
	_cleanup_(close) int serial = dial(v, "serial.sock");
	char text[16] = "";

	wait_for_status(v, "panicked");
	assert_int_equal(write(serial, "knock", 5), 5);
	assert_int_equal(recv(serial, text, 9, MSG_WAITALL), 9);
	assert_string_equal(text, "come in\r\n");
}

static void messages_that_nobody_reads_hold_up_nothing(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int reader = -1;

	make_full_pipe(&reader, &v->stderr_fd);
	start(v, PANICS);
	close(v->stderr_fd);
	expect_alive(v);
	ask_to_stop(v, STOP);
	expect_end(v, SUPERVISOR_PANIC);
}

static void messages_wait_for_a_reader_that_is_slow(void **state)
{
	struct vm *v = *state;
	_cleanup_(buf_deinit) struct buf said = BUF_INIT;
	_cleanup_(close) int reader = -1;

	make_full_pipe(&reader, &v->stderr_fd);
	start(v, PANICS);
	close(v->stderr_fd);
	expect_alive(v);
	ask_to_stop(v, STOP);
	assert_null(read_fd(reader, "the messages", MIB, &said));
	expect_end(v, SUPERVISOR_PANIC);
	buf_putc(&said, '\0');
	assert_non_null(memmem(said.data, said.len, "ktb: the guest panicked: ", strlen("ktb: the guest panicked: ")));
}

/* --- Registers --- */

static void registers_are_handed_on(void **state)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct vm *v = *state;
	_cleanup_(err_destroy) struct err *absent = NULL;
	int sock;

	start(v, "greet\n tell RAX=1\\r\\nRBX=2\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_registers(sock, 0, &text));
	assert_string_equal(buf_str(&text), "RAX=1\r\nRBX=2");
	absent = control_registers(sock, 1, &text);
	assert_non_null(strstr(err_message(absent), "there is no vCPU 1; the VM has 1"));
	close(sock);
	ask_to_stop(v, STOP);
	expect_end(v, 0);
}

static void registers_of_a_qemu_that_ends_are_no_registers(void **state)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;
	_cleanup_(err_destroy) struct err *e = NULL;

	start(v, "greet\n hear x\n exit 0");
	sock = dial(v, "control.sock");
	_cleanup_(close) int console = dial(v, "serial.sock");
	assert_int_equal(write(console, "x", 1), 1);
	e = control_registers(sock, 0, &text);
	assert_non_null(e);
	expect_end(v, 0);
}

/* QEMU refuses to go on while it dumps. */
static void who_held_it_and_went_during_a_dump_is_made_up_for(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int other = -1, fd = -1;
	_cleanup_(err_destroy) struct err *busy = NULL, *failed = NULL;
	uint64_t done, total;
	bool active = true;
	int sock;

	start(v,
	      "greet\n answer stop\n event STOP\n answer getfd\n answer dump-guest-memory\n answer query-dump\n"
	      "event DUMP_COMPLETED {\"result\": {}, \"error\": \"Broken pipe\"}\n answer cont\n event RESUME\n serve");
	sock = dial(v, "control.sock");
	other = dial(v, "control.sock");
	assert_null(control_hold(sock));
	assert_null(control_dump(sock, &fd));
	busy = control_dump(other, &fd);
	assert_non_null(strstr(err_message(busy), "under way already"));
	close(sock);
	/* When this is answered the end of the other one has been seen. */
	for (int i = 0; i < 2; i++) {
		_cleanup_(free) char *status = NULL;

		assert_null(control_status(other, &status));
		assert_string_equal(status, "paused");
	}
	assert_null(control_dump_state(other, &active, &done, &total));
	wait_for_status(v, "running");
	failed = control_dump_state(other, &active, &done, &total);
	assert_non_null(strstr(err_message(failed), "QEMU's dump failed: Broken pipe"));
	ask_to_stop(v, STOP);
	expect_end(v, 0);
}

/* --- The debugger --- */

static int dial_port(struct vm *v)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	close(dial(v, "control.sock"));
	address.sin_port = htons(v->record->port);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void a_debugger_that_goes_on_leaves_nothing_to_say(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int client = -1;
	char c;

	v->params.has_port = true;
	/* The detach and the client's end are seen together. */
	start(v, "greet\n answer stop\n event STOP\n attach +$D#44\n event RESUME\n serve");
	client = dial_port(v);
	assert_int_equal(write(client, "+$D#44", 6), 6);
	assert_true(read(client, &c, 1) <= 0);
	wait_for_status(v, "running");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
	expect_not_said(v, "left the VM stopped");
}

static void a_debugger_that_leaves_it_stopped_is_reported(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int client = -1;

	v->params.has_port = true;
	start(v, "greet\n answer stop\n event STOP\n status paused\n attach +$?#3f\n serve");
	client = dial_port(v);
	assert_int_equal(write(client, "+$?#3f", 6), 6);
	wait_for_text(v, "messages", "left the VM stopped");
	wait_for_status(v, "paused");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUPERVISED(stop_asks_the_guest),
		SUPERVISED(a_size_known_before_is_sent_when_init_is_up),
		SUPERVISED(who_waits_is_told_so),
		SUPERVISED(a_guest_that_does_not_power_off_is_ended),
		SUPERVISED(stop_does_not_ask_one_that_can_not_hear),
		SUPERVISED(the_ram_is_shared_for_reading),
		SUPERVISED(asking_for_the_ram_costs_no_descriptor),
		SUPERVISED(the_console_goes_both_ways),
		SUPERVISED(input_waits_for_a_guest_that_does_not_read),
		SUPERVISED(a_full_disk_costs_pieces_of_the_log_and_nothing_else),
		SUPERVISED(the_status_tells_of_the_init),
		SUPERVISED(messages_that_nobody_reads_hold_up_nothing),
		SUPERVISED(messages_wait_for_a_reader_that_is_slow),
		SUPERVISED(registers_are_handed_on),
		SUPERVISED(registers_of_a_qemu_that_ends_are_no_registers),
		SUPERVISED(who_held_it_and_went_during_a_dump_is_made_up_for),
		SUPERVISED(a_debugger_that_goes_on_leaves_nothing_to_say),
		SUPERVISED(a_debugger_that_leaves_it_stopped_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
