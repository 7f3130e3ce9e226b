#include "base/sock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static struct err *address_at(int dirfd, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((size_t)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dirfd, name) >=
	    sizeof(ret->sun_path))
		return err_create(ERR_USAGE, "the socket name '%s' is too long", name);
	return NULL;
}

struct err *sock_listen_at(int dirfd, const char *name, int *ret)
{
	_cleanup_(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_os(errno, "make a socket");
	TRY(address_at(dirfd, name, &address));
	unlinkat(dirfd, name, 0);
	/* Linux takes the mode of the socket's file from the descriptor: never for a moment is it open to others. */
	if (fchmod(fd, 0600) < 0)
		return err_os(errno, "make socket %s private", name);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_os(errno, "bind socket %s", name);
	if (listen(fd, 16) < 0)
		return err_os(errno, "listen on socket %s", name);
	*ret = steal_fd(&fd);
	return NULL;
}

struct err *sock_connect_at(int dirfd, const char *name, int *ret)
{
	_cleanup_(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_os(errno, "make a socket");
	TRY(address_at(dirfd, name, &address));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ECONNREFUSED || errno == ENOENT)
			return err_create(ERR_CLOSED, "nobody listens on socket %s", name);
		return err_os(errno, "connect to socket %s", name);
	}
	*ret = steal_fd(&fd);
	return NULL;
}

struct err *sock_pair(int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_os(errno, "make a pair of sockets");
	set_nonblock(fds[0], true);
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return NULL;
}

struct err *sock_listen_loopback(uint16_t port, int *ret_fd, uint16_t *ret_port)
{
	_cleanup_(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int one = 1;

	if (fd < 0)
		return err_os(errno, "make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return err_os(errno, "listen on 127.0.0.1:%u", port);
	*ret_port = ntohs(address.sin_port);
	*ret_fd = steal_fd(&fd);
	return NULL;
}

struct err *sock_port_listening(uint16_t port, bool *ret)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_os(errno, "make a socket");
	*ret = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0;
	return NULL;
}

/* States in /proc/net/tcp: include/net/tcp_states.h. */
enum { STATE_ESTABLISHED = 1, STATE_LISTEN = 10 };

/* The inode of a socket that has the local port and is in the state, from /proc/net/tcp or tcp6; 0: none. */
static unsigned long long socket_inode(const char *table, uint16_t port, unsigned int wanted_state)
{
	_cleanup_(fclose) FILE *f = fopen(table, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned int local_port, state;
		unsigned long long inode;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*d %llu", &local_port,
			   &state, &inode) == 3 &&
		    local_port == port && state == wanted_state)
			return inode;
	}
	return 0;
}

/* An IPv4 address as the tables have it: of a socket for IPv6, in the form that is mapped. */
static bool is_address(const char *text, const struct sockaddr_in *address)
{
	static const char mapped[] = "0000000000000000FFFF0000";
	char wanted[9];
	size_t n = strlen(text);

	snprintf(wanted, sizeof(wanted), "%08X", address->sin_addr.s_addr);
	if (n == strlen(mapped) + strlen(wanted) && strncmp(text, mapped, strlen(mapped)) == 0)
		text += strlen(mapped);
	return streq(text, wanted);
}

/* The socket between the two addresses. */
static bool find_socket(const char *table, const struct sockaddr_in *local, const struct sockaddr_in *remote,
			struct sock_peer *ret)
{
	_cleanup_(fclose) FILE *f = fopen(table, "re");
	char line[512], local_text[64], remote_text[64];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned int local_port, remote_port, uid;
		unsigned long long inode;

		if (sscanf(line, " %*d: %63[0-9A-F]:%x %63[0-9A-F]:%x %*x %*s %*s %*s %u %*d %llu", local_text,
			   &local_port, remote_text, &remote_port, &uid, &inode) != 6 ||
		    local_port != ntohs(local->sin_port) || remote_port != ntohs(remote->sin_port) ||
		    !is_address(local_text, local) || !is_address(remote_text, remote))
			continue;
		*ret = (struct sock_peer){ uid, inode };
		return true;
	}
	return false;
}

bool sock_tcp_peer(int fd, struct sock_peer *ret)
{
	struct sockaddr_in ours = { 0 }, theirs = { 0 };
	socklen_t len = sizeof(ours), their_len = sizeof(theirs);

	if (getsockname(fd, (struct sockaddr *)&ours, &len) < 0 ||
	    getpeername(fd, (struct sockaddr *)&theirs, &their_len) < 0 || theirs.sin_family != AF_INET)
		return false;
	/* A socket that nobody has any more is shown with inode 0, and as root's. */
	return (find_socket("/proc/net/tcp", &theirs, &ours, ret) ||
		find_socket("/proc/net/tcp6", &theirs, &ours, ret)) &&
	       ret->inode;
}

bool sock_port_connected(uint16_t port)
{
	return socket_inode("/proc/net/tcp", port, STATE_ESTABLISHED) != 0;
}

struct err *sock_process_has(const char *pid, unsigned long long inode, bool *ret)
{
	_cleanup_(free) char *folder = xasprintf("/proc/%s/fd", pid);
	_cleanup_(free) char *wanted = xasprintf("socket:[%llu]", inode);
	_cleanup_(closedir) DIR *dir = opendir(folder);

	if (!dir && errno != ENOENT && errno != ESRCH)
		return err_os(errno, "look through %s", folder);
	*ret = false;
	for (struct dirent *d; dir && !*ret && (d = readdir(dir));) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		*ret = streq(target, wanted);
	}
	return NULL;
}

static bool process_has_socket(const char *pid, unsigned long long inode)
{
	bool has = false;

	err_ignore(sock_process_has(pid, inode, &has));
	return has;
}

char *sock_port_owner(uint16_t port)
{
	unsigned long long inode = socket_inode("/proc/net/tcp", port, STATE_LISTEN);
	_cleanup_(closedir) DIR *proc = opendir("/proc");

	if (!inode)
		inode = socket_inode("/proc/net/tcp6", port, STATE_LISTEN);
	if (!inode)
		return NULL;
	for (struct dirent *d; proc && (d = readdir(proc));) {
		_cleanup_(buf_deinit) struct buf comm = BUF_INIT;
		_cleanup_(free) char *path = NULL;

		if (!isdigit((unsigned char)*d->d_name) || !process_has_socket(d->d_name, inode))
			continue;
		path = xasprintf("/proc/%s/comm", d->d_name);
		err_ignore(read_file(path, 4096, &comm));
		return xasprintf("process %s (%s)", d->d_name, comm.len ? strip(comm.data) : "?");
	}
	return NULL;
}

struct err *sock_send_fd(int sock, const void *data, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		message.msg_control = control.room;
		message.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_os(errno, "send");
	if ((size_t)n < len)
		return err_create(ERR_CLOSED, "send: only %zd of %zu bytes were taken", n, len);
	return NULL;
}

struct err *sock_receive_fd(int sock, void *data, size_t len, size_t *ret_len, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	int fd = -1;
	ssize_t n;

	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_os(errno, "receive");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		size_t fds_n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* Alignment leaves room for a second one, which nobody asked for. */
		fds_n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < fds_n; i++) {
			int received;

			memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(received));
			if (fd < 0)
				fd = received;
			else
				close(received);
		}
	}
	*ret_len = (size_t)n;
	*ret_fd = fd;
	return NULL;
}

bool sock_peer_is_us(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return cred.uid == geteuid() || cred.uid == 0;
}

int sock_accept(int listen_fd, size_t have, size_t max)
{
	_cleanup_(close) int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || have >= max || !sock_peer_is_us(fd))
		return -1;
	return steal_fd(&fd);
}
