/*
 * Sockets below a folder, on loopback, and descriptors sent over them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/sock.h"
#include "base/util.h"

/* Deeper than the 108 bytes that an address has room for. */
#define DEEP "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789/x"

static char folder[64];
static int folder_fd = -1;

static int make_folder(void **state)
{
	_cleanup_(free) char *deep = NULL;
	struct err *e;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ktb-test-sock.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	deep = xasprintf("%s/%s", folder, DEEP);
	e = mkdir_parents(deep, 0700);
	folder_fd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err_ignore(e);
	return e || folder_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	close(folder_fd);
	err_ignore(remove_tree(folder));
	return 0;
}

static void assert_fails(struct err *e, enum err_code code, int number)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_int_equal(err_errno(e), number);
	err_destroy(e);
}

static int accept_one(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 5000), 1);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void talks_however_deep_the_folder_is(void **state)
{
	_cleanup_(close) int listener = -1, client = -1, server = -1;
	struct stat st;
	char c = 0;

	(void)state;
	assert_null(sock_listen_at(folder_fd, "s", &listener));
	assert_int_equal(fstatat(folder_fd, "s", &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(fcntl(listener, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	assert_null(sock_connect_at(folder_fd, "s", &client));
	server = accept_one(listener);
	assert_true(server >= 0);
	assert_int_equal(write(client, "x", 1), 1);
	assert_int_equal(read(server, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_true(sock_peer_is_us(server));
}

static void the_new_listener_takes_the_place_of_the_old(void **state)
{
	_cleanup_(close) int first = -1, second = -1, client = -1, server = -1;

	(void)state;
	assert_null(sock_listen_at(folder_fd, "again", &first));
	assert_null(sock_listen_at(folder_fd, "again", &second));
	assert_null(sock_connect_at(folder_fd, "again", &client));
	server = accept_one(second);
	assert_true(server >= 0);
}

static void nobody_there_is_said(void **state)
{
	_cleanup_(close) int listener = -1;
	char name[120];
	int fd = -1;

	(void)state;
	assert_fails(sock_connect_at(folder_fd, "none", &fd), ERR_CLOSED, 0);
	assert_null(sock_listen_at(folder_fd, "dead", &listener));
	close(steal_fd(&listener));
	assert_fails(sock_connect_at(folder_fd, "dead", &fd), ERR_CLOSED, 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_fails(sock_listen_at(folder_fd, name, &fd), ERR_USAGE, 0);
	assert_int_equal(fd, -1);
}

static void pairs_are_connected(void **state)
{
	_cleanup_(close) int ours = -1, theirs = -1;
	char c = 0;

	(void)state;
	assert_null(sock_pair(&ours, &theirs));
	assert_true(fcntl(ours, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(theirs, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(ours, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(theirs, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(ours, "x", 1), 1);
	assert_int_equal(read(theirs, &c, 1), 1);
	set_nonblock(ours, false);
	assert_false(fcntl(ours, F_GETFL) & O_NONBLOCK);
}

static void listens_on_loopback_only(void **state)
{
	_cleanup_(close) int fd = -1, second = -1;
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	_cleanup_(free) char *owner = NULL, *nobody = NULL;
	_cleanup_(free) char *us = xasprintf("process %d (test_sock", (int)getpid());
	uint16_t port = 0, other = 0;

	(void)state;
	assert_null(sock_listen_loopback(0, &fd, &port));
	assert_true(port > 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(ntohs(address.sin_port), port);
	assert_fails(sock_listen_loopback(port, &second, &other), ERR_OS, EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(other, 0);
	owner = sock_port_owner(port);
	assert_non_null(owner);
	/* Under valgrind the process has another name. */
	assert_memory_equal(owner, us, strcspn(us, "("));
	close(steal_fd(&fd));
	nobody = sock_port_owner(port);
	assert_null(nobody);
	assert_null(sock_listen_loopback(port, &second, &other));
	assert_int_equal(other, port);
}

static int open_fds(void)
{
	_cleanup_(closedir) DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

static void sends_descriptors(void **state)
{
	_cleanup_(close) int ours = -1, theirs = -1, received = -1;
	int pipefd[2];
	size_t n = 0;
	char text[8] = "";

	(void)state;
	assert_null(sock_pair(&ours, &theirs));
	assert_int_equal(pipe(pipefd), 0);
	assert_null(sock_send_fd(ours, "abc", 3, pipefd[1]));
	assert_null(sock_receive_fd(theirs, text, sizeof(text), &n, &received));
	assert_int_equal(n, 3);
	assert_memory_equal(text, "abc", 3);
	assert_true(received >= 0);
	assert_true(fcntl(received, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(received, "x", 1), 1);
	assert_int_equal(read(pipefd[0], text, 1), 1);
	close(steal_fd(&received));
	assert_null(sock_send_fd(ours, "d", 1, -1));
	assert_null(sock_receive_fd(theirs, text, sizeof(text), &n, &received));
	assert_int_equal(n, 1);
	assert_int_equal(received, -1);
	assert_fails(sock_receive_fd(ours, text, sizeof(text), &n, &received), ERR_OS, EAGAIN);
	close(steal_fd(&ours));
	assert_null(sock_receive_fd(theirs, text, sizeof(text), &n, &received));
	assert_int_equal(n, 0);
	assert_fails(sock_send_fd(theirs, "x", 1, -1), ERR_OS, EPIPE);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void descriptors_nobody_asked_for_are_closed(void **state)
{
	_cleanup_(close) int ours = -1, theirs = -1, received = -1;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int before;
	size_t n = 0;
	char text[8];

	(void)state;
	assert_null(sock_pair(&ours, &theirs));
	const int fds[2] = { ours, theirs };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(ours, &message, 0), 1);
	before = open_fds();
	assert_null(sock_receive_fd(theirs, text, sizeof(text), &n, &received));
	assert_true(received >= 0);
	assert_int_equal(open_fds(), before + 1);
}

static void more_than_are_served_are_turned_away(void **state)
{
	char name[] = "/tmp/ktb-test-accept.XXXXXX", c;
	_cleanup_(close) int folder = -1, listener = -1, first = -1, second = -1, server = -1;

	(void)state;
	assert_non_null(mkdtemp(name));
	folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_null(sock_listen_at(folder, "s", &listener));
	assert_int_equal(sock_accept(listener, 0, 1), -1);
	assert_null(sock_connect_at(folder, "s", &first));
	assert_null(sock_connect_at(folder, "s", &second));
	server = sock_accept(listener, 0, 1);
	assert_true(server >= 0);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_int_equal(sock_accept(listener, 1, 1), -1);
	assert_int_equal(read(second, &c, 1), 0);
	err_ignore(remove_tree(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_are_served_are_turned_away),
		cmocka_unit_test(talks_however_deep_the_folder_is),
		cmocka_unit_test(the_new_listener_takes_the_place_of_the_old),
		cmocka_unit_test(nobody_there_is_said),
		cmocka_unit_test(pairs_are_connected),
		cmocka_unit_test(listens_on_loopback_only),
		cmocka_unit_test(sends_descriptors),
		cmocka_unit_test(descriptors_nobody_asked_for_are_closed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
