/*
 * Theory of operation. What goes to the line is written to a stream of the loop's. A BREAK of a device is an ioctl that sets it, and
 * one that clears it a moment later; tcsendbreak(3) would wait. It must not fall on bytes that are still being sent, so the
 * device's queue is looked at every few milliseconds until it is empty. Meanwhile what is written is kept.
 */
#include "vm/serial_line.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/stream.h"
#include "base/util.h"
#include "vm/telnet.h"

enum {
	CONNECT_MS = 5000,
	BREAK_MS = 300,    /* longer than any character */
	QUEUE_MS = 5,      /* between looks at the device's queue, */
	QUEUE_LOOKS = 400, /* so many at most: one that a modem's line holds up must not keep us */
};

/* --- Where it is --- */

void serial_place_deinit(struct serial_place *p)
{
	free(p->path);
	free(p->host);
	free(p->port);
	*p = (struct serial_place)SERIAL_PLACE_INIT;
}

static struct err *parse_address(const char *text, const char *address, struct serial_place *ret)
{
	const char *colon = strrchr(address, ':'), *host = address;
	size_t len = colon ? (size_t)(colon - address) : 0;
	uint64_t port = 0;
	struct err *e = colon ? parse_u64(colon + 1, UINT16_MAX, &port) : NULL;

	/* An IPv6 address is in brackets. */
	if (len > 2 && *host == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (e || !port || !len) {
		err_ignore(e);
		return err_create(ERR_USAGE, "'%s': expected HOST:PORT behind %.*s", text, (int)(address - text), text);
	}
	ret->host = xasprintf("%.*s", (int)len, host);
	ret->port = xstrdup(colon + 1);
	return NULL;
}

struct err *serial_place_parse(const char *text, struct serial_place *ret)
{
	static const struct {
		const char *prefix;
		enum serial_kind kind;
	} addresses[] = { { "tcp:", SERIAL_TCP }, { "telnet:", SERIAL_TELNET } };
	_cleanup_(serial_place_deinit) struct serial_place p = SERIAL_PLACE_INIT;
	const char *path = skip_prefix(text, "unix:");

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const char *address = skip_prefix(text, addresses[i].prefix);

		if (!address)
			continue;
		p.kind = addresses[i].kind;
		TRY(parse_address(text, address, &p));
		*ret = p;
		p = (struct serial_place)SERIAL_PLACE_INIT;
		return NULL;
	}
	if (!*text || (path && !*path))
		return err_create(ERR_USAGE,
				  "'%s': expected a device, tcp:HOST:PORT, telnet:HOST:PORT, unix:PATH or pty", text);
	if (path && strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_create(ERR_USAGE, "'%s': the path of a socket can't be so long", text);
	p.kind = path ? SERIAL_UNIX : streq(text, "pty") ? SERIAL_PTY : SERIAL_TTY;
	if (p.kind != SERIAL_PTY)
		p.path = xstrdup(path ? path : text);
	*ret = p;
	p = (struct serial_place)SERIAL_PLACE_INIT;
	return NULL;
}

bool serial_place_has_break(const struct serial_place *p)
{
	return p->kind == SERIAL_TTY || p->kind == SERIAL_TELNET;
}

/* --- Speeds: termios(3) has names for some --- */

static const struct {
	uint32_t baud;
	speed_t name;
} speeds[] = {
	{ 1200, B1200 },       { 2400, B2400 },       { 4800, B4800 },       { 9600, B9600 },
	{ 19200, B19200 },     { 38400, B38400 },     { 57600, B57600 },     { 115200, B115200 },
	{ 230400, B230400 },   { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
	{ 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 }, { 1500000, B1500000 },
	{ 2000000, B2000000 }, { 2500000, B2500000 }, { 3000000, B3000000 }, { 3500000, B3500000 },
	{ 4000000, B4000000 },
};

static bool find_speed(uint64_t baud, speed_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		if (speeds[i].baud != baud)
			continue;
		*ret = speeds[i].name;
		return true;
	}
	return false;
}

struct err *serial_check_speed(uint64_t speed)
{
	_cleanup_(buf_deinit) struct buf all = BUF_INIT;
	speed_t name;

	if (find_speed(speed, &name))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++)
		buf_printf(&all, "%s%u", i ? ", " : "", speeds[i].baud);
	return err_create(ERR_USAGE, "%llu is no speed of a serial line; there are %s", (unsigned long long)speed,
			  buf_str(&all));
}

/* --- The line --- */

struct serial_line {
	struct loop *loop;
	const struct serial_callbacks *callbacks;
	void *user;
	enum serial_kind kind;
	char *name;
	struct stream *stream;
	struct telnet telnet;

	int device_fd; /* of a device, another descriptor of it; of a pseudo-terminal, the other end; -1: none */
	bool changed;  /* the device's mode is ours; before it was: */
	struct termios before;

	bool breaking;
	struct buf held; /* written meanwhile */
	struct loop_source *timer;
	unsigned int looks;
	bool is_set;
};

const char *serial_line_name(const struct serial_line *l)
{
	return l->name;
}

size_t serial_line_pending(const struct serial_line *l)
{
	return stream_pending(l->stream) + l->held.len;
}

static void send_bytes(struct serial_line *l, const char *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf doubled = BUF_INIT;

	if (l->kind != SERIAL_TELNET) {
		stream_write(l->stream, bytes, len);
		return;
	}
	telnet_put(&l->telnet, bytes, len, &doubled);
	stream_write(l->stream, buf_str(&doubled), doubled.len);
}

void serial_line_write(struct serial_line *l, const char *bytes, size_t len)
{
	if (l->breaking)
		buf_append(&l->held, bytes, len);
	else
		send_bytes(l, bytes, len);
}

/* --- BREAK --- */

static void end_break(struct serial_line *l)
{
	_cleanup_(buf_deinit) struct buf held = l->held;

	l->held = (struct buf)BUF_INIT;
	l->breaking = l->is_set = false;
	l->callbacks->break_done(l->user);
	serial_line_write(l, buf_str(&held), held.len);
}

static void set_timer(struct serial_line *l, unsigned int ms);

static struct err *on_timer(struct loop_source *source, int fd, short revents, void *user)
{
	struct serial_line *l = user;
	int queued = 0;

	(void)source;
	(void)fd;
	(void)revents;
	l->timer = NULL;
	if (l->is_set) {
		ioctl(l->device_fd, TIOCCBRK);
		end_break(l);
		return NULL;
	}
	if (++l->looks < QUEUE_LOOKS &&
	    (stream_pending(l->stream) || (ioctl(l->device_fd, TIOCOUTQ, &queued) == 0 && queued))) {
		set_timer(l, QUEUE_MS);
		return NULL;
	}
	if (ioctl(l->device_fd, TIOCSBRK) < 0)
		log_warn("no BREAK can be sent on %s: %m; see --no-break", l->name);
	l->is_set = true;
	set_timer(l, BREAK_MS);
	return NULL;
}

static void set_timer(struct serial_line *l, unsigned int ms)
{
	l->timer = loop_add_timer(l->loop, now_ns() + ms * NSEC_PER_MSEC, on_timer, l);
}

static struct err *on_break_sent(struct loop_source *source, int fd, short revents, void *user)
{
	struct serial_line *l = user;

	(void)source;
	(void)fd;
	(void)revents;
	l->timer = NULL;
	end_break(l);
	return NULL;
}

void serial_line_break(struct serial_line *l)
{
	_cleanup_(buf_deinit) struct buf command = BUF_INIT;

	if (l->breaking)
		return;
	l->breaking = true;
	l->looks = 0;
	if (l->kind == SERIAL_TTY) {
		set_timer(l, 0);
		return;
	}
	telnet_put_break(&command);
	stream_write(l->stream, command.data, command.len);
	/* It is told of from the loop, as with a device. */
	l->timer = loop_add_timer(l->loop, now_ns(), on_break_sent, l);
}

/* --- What comes --- */

static struct err *on_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct serial_line *l = user;
	_cleanup_(buf_deinit) struct buf data = BUF_INIT, answer = BUF_INIT;

	if (l->kind != SERIAL_TELNET) {
		l->callbacks->data(bytes, len, l->user);
		return NULL;
	}
	telnet_feed(&l->telnet, bytes, len, &data, &answer);
	stream_write(s, buf_str(&answer), answer.len);
	if (data.len)
		l->callbacks->data(data.data, data.len, l->user);
	return NULL;
}

static struct err *on_closed(struct stream *s, void *user)
{
	struct serial_line *l = user;

	(void)s;
	return l->callbacks->closed(l->user);
}

static struct err *on_drained(struct stream *s, void *user)
{
	struct serial_line *l = user;

	(void)s;
	l->callbacks->drained(l->user);
	return NULL;
}

static const struct stream_callbacks stream_callbacks = { .data = on_data, .closed = on_closed, .drained = on_drained };

/* --- Opening it --- */

static struct err *set_mode(struct serial_line *l, const struct serial_params *params)
{
	struct termios mode;
	speed_t speed = B0;

	TRY(serial_check_speed(params->speed));
	(void)find_speed(params->speed, &speed);
	if (tcgetattr(l->device_fd, &l->before) < 0)
		return err_os(errno, "ask for the mode of %s", l->name);
	mode = l->before;
	cfmakeraw(&mode);
	/* What the machine sends while it is switched on may look like a BREAK. */
	mode.c_iflag |= IGNBRK;
	mode.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | PARENB | PARODD);
	mode.c_cflag |= CLOCAL | CREAD;
	if (params->parity != SERIAL_PARITY_NONE)
		mode.c_cflag |= PARENB;
	if (params->parity == SERIAL_PARITY_ODD)
		mode.c_cflag |= PARODD;
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	cfsetispeed(&mode, speed);
	cfsetospeed(&mode, speed);
	l->changed = true;
	if (tcsetattr(l->device_fd, TCSANOW, &mode) < 0)
		return err_os(errno, "set %s to %u baud", l->name, params->speed);
	return NULL;
}

/* Root may open what has TIOCEXCL, too; terminal programs hold such a lock. */
static struct err *make_exclusive(struct serial_line *l)
{
	if (flock(l->device_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_create(ERR_USAGE, "another program has the serial line %s; end that", l->name);
	if (ioctl(l->device_fd, TIOCEXCL) < 0)
		return err_os(errno, "have the serial line %s alone", l->name);
	return NULL;
}

static struct err *open_device(struct serial_line *l, const struct serial_params *params, int *ret)
{
	int fd = open(l->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == EBUSY)
		return err_create(ERR_USAGE, "another program has the serial line %s; end that", l->name);
	if (fd < 0 && errno == EACCES)
		return err_append(err_os(errno, "open the serial line %s", l->name),
				  "; who may use it is in the group of the device, mostly dialout");
	if (fd < 0)
		return err_os(errno, "open the serial line %s", l->name);
	l->device_fd = fd;
	if (!isatty(fd))
		return err_create(ERR_USAGE, "%s is no serial line", l->name);
	TRY(make_exclusive(l));
	TRY(set_mode(l, params));
	/* One descriptor is the stream's, which closes it. */
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? err_os(errno, "open the serial line %s once more", l->name) : NULL;
}

static struct err *open_pty(struct serial_line *l, int *ret)
{
	_cleanup_(close) int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios mode;
	char name[64];

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, name, sizeof(name)) != 0)
		return err_os(errno, "make a pseudo-terminal");
	/* Without somebody who has it open, reading fails until somebody has. */
	l->device_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (l->device_fd < 0 || tcgetattr(l->device_fd, &mode) < 0)
		return err_os(errno, "open the pseudo-terminal %s", name);
	cfmakeraw(&mode);
	if (tcsetattr(l->device_fd, TCSANOW, &mode) < 0)
		return err_os(errno, "set the mode of the pseudo-terminal %s", name);
	free(l->name);
	l->name = xstrdup(name);
	*ret = steal_fd(&fd);
	return NULL;
}

/* Bounded in time: the socket doesn't wait. */
static struct err *connect_to(const char *name, int family, const struct sockaddr *address, socklen_t len, int *ret)
{
	_cleanup_(close) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return err_os(errno, "make a socket");
	if (connect(fd, address, len) < 0) {
		if (errno != EINPROGRESS)
			return err_os(errno, "connect to %s", name);
		if (poll(&p, 1, CONNECT_MS) <= 0)
			return err_create(ERR_TIMEOUT, "%s does not answer", name);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
			return err_os(error ? error : errno, "connect to %s", name);
	}
	*ret = steal_fd(&fd);
	return NULL;
}

static struct err *open_tcp(const struct serial_line *l, const struct serial_place *place, int *ret)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	struct err *e;
	const int on = 1;
	int fd = -1, failed = getaddrinfo(place->host, place->port, &hints, &list);

	if (failed)
		return err_create(ERR_NOT_FOUND, "look up %s: %s", place->host, gai_strerror(failed));
	e = err_create(ERR_NOT_FOUND, "%s has no address", place->host);
	for (const struct addrinfo *a = list; a && e; a = a->ai_next) {
		err_destroy(e);
		e = connect_to(l->name, a->ai_family, a->ai_addr, a->ai_addrlen, &fd);
	}
	freeaddrinfo(list);
	if (e)
		return e;
	/* Packets are small and wait for each other. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*ret = fd;
	return NULL;
}

static struct err *open_unix(const struct serial_line *l, const struct serial_place *place, int *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = place->path ? strlen(place->path) : 0;

	if (!len)
		return err_create(ERR_USAGE, "unix: wants the path of a socket");
	if (len >= sizeof(address.sun_path))
		return err_create(ERR_USAGE, "the path of a socket can't be as long as %s", place->path);
	memcpy(address.sun_path, place->path, len);
	return connect_to(l->name, AF_UNIX, (const struct sockaddr *)&address, sizeof(address), ret);
}

static struct err *open_place(struct serial_line *l, const struct serial_params *params, int *ret)
{
	const struct serial_place *place = params->place;

	switch (place->kind) {
	case SERIAL_TTY:
		return open_device(l, params, ret);
	case SERIAL_PTY:
		return open_pty(l, ret);
	case SERIAL_UNIX:
		return open_unix(l, place, ret);
	case SERIAL_TCP:
	case SERIAL_TELNET:
		return open_tcp(l, place, ret);
	}
	return err_create(ERR_USAGE, "there is no such kind of a serial line");
}

struct err *serial_line_create(struct loop *loop, const struct serial_params *params,
			       const struct serial_callbacks *callbacks, void *user, struct serial_line **ret)
{
	_cleanup_(serial_line_destroy) struct serial_line *l = xcalloc(1, sizeof(*l));
	_cleanup_(buf_deinit) struct buf first = BUF_INIT;
	const struct serial_place *place = params->place;
	int fd;

	l->loop = loop;
	l->callbacks = callbacks;
	l->user = user;
	l->kind = place->kind;
	l->device_fd = -1;
	l->name = place->host ? xasprintf("%s:%s", place->host, place->port)
			      : xstrdup(place->path ? place->path : "pty");
	TRY(open_place(l, params, &fd));
	l->stream = stream_create(loop, fd, false, &stream_callbacks, l);
	if (l->kind == SERIAL_TELNET) {
		telnet_begin(&l->telnet, &first);
		stream_write(l->stream, first.data, first.len);
	}
	*ret = steal(&l);
	return NULL;
}

void serial_line_destroy(struct serial_line *l)
{
	if (!l)
		return;
	loop_remove(l->timer);
	if (l->is_set)
		ioctl(l->device_fd, TIOCCBRK);
	if (l->changed)
		tcsetattr(l->device_fd, TCSANOW, &l->before);
	if (l->kind == SERIAL_TTY && l->device_fd >= 0)
		ioctl(l->device_fd, TIOCNXCL);
	stream_destroy(l->stream);
	if (l->device_fd >= 0)
		close(l->device_fd);
	buf_deinit(&l->held);
	free(l->name);
	free(l);
}
