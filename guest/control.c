#include "control.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent.h"
#include "console.h"
#include "port.h"
#include "util.h"

/* Without uevents: 10 ms after the start, then after 20, 40, ...: the last time after about 40 s. */
enum {
	SEARCH_FIRST_MS = 10,
	SEARCHES_MAX = 12,
};

static bool watch(const struct control *c, int op, int fd, enum control_event event, uint32_t mask)
{
	struct epoll_event ev = { .events = mask, .data.u32 = event };

	return epoll_ctl(c->epoll, op, fd, &ev) == 0;
}

static void arm_port(const struct control *c, int op)
{
	watch(c, op, c->port, CONTROL_EVENT_PORT, EPOLLIN | EPOLLET);
}

/* Closing a descriptor also takes it out of epoll: no one else has it. */
static void close_and_forget(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void open_uevents(struct control *c)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    !watch(c, EPOLL_CTL_ADD, fd, CONTROL_EVENT_UEVENT, EPOLLIN)) {
		close(fd);
		return;
	}
	c->uevents = fd;
}

/* The next bytes, whenever they come, are the first of a connection. */
static void begin_connection(struct control *c)
{
	c->fill = 0;
	c->deaf = false;
}

void control_search(struct control *c)
{
	if (c->port >= 0)
		return;
	c->searches++;
	c->port = port_open(KTB_PORT_NAME);
	if (c->port < 0)
		return;
	close_and_forget(&c->uevents);
	begin_connection(c);
	/* The first event comes at once. */
	arm_port(c, EPOLL_CTL_ADD);
}

static void start_search(struct control *c)
{
	c->searches = 0;
	open_uevents(c);
	control_search(c);
}

void control_init(struct control *c, int epoll, int tty)
{
	c->epoll = epoll;
	c->tty = tty;
	c->port = -1;
	c->uevents = -1;
	start_search(c);
}

int control_timeout(const struct control *c)
{
	if (c->port >= 0 || c->uevents >= 0 || c->searches > SEARCHES_MAX)
		return -1;
	return SEARCH_FIRST_MS << (c->searches - 1);
}

static void want_agent(struct control *c)
{
	/* One that is just ending may not have been reaped yet. */
	c->agent_wanted = c->agent > 0;
	if (!c->agent_wanted)
		c->agent = agent_start();
}

void control_reaped(struct control *c, pid_t pid)
{
	if (pid != c->agent)
		return;
	c->agent = 0;
	if (c->agent_wanted)
		want_agent(c);
}

static enum ending handle_frame(struct control *c, const struct frame *f)
{
	struct frame_winsize ws;

	if (f->channel != 0)
		return ENDING_NONE;
	/* Not an enum to the compiler: a newer host may send what we don't know. */
	switch (f->type) {
	case KTB_FRAME_WINSIZE:
		if (frame_get_winsize(f, &ws))
			console_resize(c->tty, ws.rows, ws.cols);
		break;
	case KTB_FRAME_POWEROFF:
		return ENDING_POWEROFF;
	case KTB_FRAME_AGENT:
		want_agent(c);
		break;
	default:
		break;
	}
	return ENDING_NONE;
}

/* Handles the whole frames in rx, and moves what is left to its beginning. */
static enum ending handle_frames(struct control *c)
{
	enum frame_status status;
	size_t used = 0;
	struct frame f;

	while ((status = frame_parse(c->rx + used, c->fill - used, &f)) == FRAME_COMPLETE) {
		enum ending ending = handle_frame(c, &f);

		if (ending != ENDING_NONE)
			return ending;
		used += frame_size(&f);
	}
	if (status == FRAME_TOO_LONG) {
		say("control port: no frame where one should be; ignored until the host connects again");
		c->deaf = true;
		used = c->fill;
	}
	c->fill -= used;
	memmove(c->rx, c->rx + used, c->fill);
	return ENDING_NONE;
}

/* One read. rx is never full here: it has room for a frame of any length, and those were taken out. */
static enum ending receive(struct control *c)
{
	ssize_t n = read(c->port, c->rx + c->fill, sizeof(c->rx) - c->fill);

	if (n > 0) {
		arm_port(c, EPOLL_CTL_MOD);
		if (c->deaf)
			return ENDING_NONE;
		c->fill += (size_t)n;
		return handle_frames(c);
	}
	if (n == 0) {
		/* The host has closed, and what it wrote before has been read. */
		begin_connection(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		/* The device has gone. */
		close_and_forget(&c->port);
		start_search(c);
	}
	return ENDING_NONE;
}

static enum ending handle_port(struct control *c, uint32_t mask)
{
	/* A hang-up without EPOLLIN is a device that has gone, which only the read tells. */
	return mask & (EPOLLIN | EPOLLHUP) ? receive(c) : ENDING_NONE;
}

/* One uevent: "action@device" first, then its variables. Only whether it is about a port is of interest. */
static void handle_uevent(struct control *c)
{
	char event[256];
	ssize_t n = recv(c->uevents, event, sizeof(event) - 1, MSG_DONTWAIT);

	/* An overrun (ENOBUFS) has lost events: one of them may have been ours. */
	if (n < 0 && errno != ENOBUFS)
		return;
	event[n < 0 ? 0 : n] = '\0';
	if (n < 0 || strstr(event, "/virtio-ports/"))
		control_search(c);
}

enum ending control_handle(struct control *c, enum control_event event, uint32_t mask)
{
	/* The descriptor may have been closed by an earlier event of the same turn. */
	if (event == CONTROL_EVENT_PORT && c->port >= 0)
		return handle_port(c, mask);
	if (event == CONTROL_EVENT_UEVENT && c->uevents >= 0)
		handle_uevent(c);
	return ENDING_NONE;
}
