/*
 * Private UNIX sockets below a folder, and descriptors sent over them. A socket's path may be longer than the 108
 * bytes of sockaddr_un: it is reached through the folder's descriptor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Listens on `name` in the folder `dirfd` (mode 0600, non-blocking); an old socket of that name is replaced. */
struct err *sock_listen_at(int dirfd, const char *name, int *ret) err_must_check;

/* Connects to `name` in the folder; blocking. ERR_CLOSED if nobody listens there. */
struct err *sock_connect_at(int dirfd, const char *name, int *ret) err_must_check;

/* A connected pair, close-on-exec; ours is non-blocking. */
struct err *sock_pair(int *ret_ours, int *ret_theirs) err_must_check;

/*
 * Listens on TCP port `port` of 127.0.0.1, non-blocking; 0 takes a free one. *ret_port is the one taken. ERR_OS with
 * EADDRINUSE if it is taken.
 */
struct err *sock_listen_loopback(uint16_t port, int *ret_fd, uint16_t *ret_port) err_must_check;

/* Who listens on a local TCP port: "process 123 (qemu-system-x86)", or NULL if that can't be known. The caller frees
 * it. Source: proc(5), /proc/net/tcp and /proc/PID/fd. */
char *sock_port_owner(uint16_t port);

/*
 * Accepts a connection to a listening UNIX socket, close-on-exec and non-blocking. One of another user's, and any while
 * have >= max are served already, is closed at once: -1, as when there is none.
 */
int sock_accept(int listen_fd, size_t have, size_t max);

/*
 * Whether anyone listens on a port of 127.0.0.1. Not by connecting, which may have effects: binding with SO_REUSEADDR
 * fails only where another socket listens (socket(7)).
 */
struct err *sock_port_listening(uint16_t port, bool *ret) err_must_check;

/* Who is at the other end of a TCP connection of this machine with itself. */
struct sock_peer {
	uid_t uid;
	unsigned long long inode; /* of the socket */
};

/*
 * The peer of an accepted IPv4 connection. False if no process here has it (any more): one that was closed is not known
 * to be anybody's. Source: proc(5), /proc/net/tcp and tcp6.
 */
bool sock_tcp_peer(int fd, struct sock_peer *ret);

/* Whether a process has a socket open. ERR_OS if that can't be looked up, for it is another user's. */
struct err *sock_process_has(const char *pid, unsigned long long inode, bool *ret) err_must_check;

/* Whether anyone is connected to a local TCP port over IPv4. */
bool sock_port_connected(uint16_t port);

/* Sends len bytes with a descriptor attached (fd -1: none). */
struct err *sock_send_fd(int sock, const void *data, size_t len, int fd) err_must_check;

/* Receives at most len bytes; *ret_fd is the descriptor that came with them, or -1. 0 bytes: the peer closed. */
struct err *sock_receive_fd(int sock, void *data, size_t len, size_t *ret_len, int *ret_fd) err_must_check;

/* True if the peer of a UNIX socket is this user (or root). */
bool sock_peer_is_us(int sock);

void set_nonblock(int fd, bool on);
