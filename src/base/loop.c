#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/signalfd.h>

#include "base/util.h"

/*
 * Sources are a list. A removed one stays in the list, marked dead, until no callback runs: a callback may remove
 * sources whose events of this round have not been handed out yet.
 */
enum source_kind { SOURCE_FD, SOURCE_TIMER };

struct loop_source {
	struct loop_source *next;
	struct loop *loop;
	enum source_kind kind;
	bool dead;
	int fd;
	short events;
	uint64_t deadline_ns;
	loop_callback cb;
	void *data;
	int slot; /* index into this round's pollfds, -1: none */
};

struct signal_handler {
	int number;
	loop_callback cb;
	void *data;
};

struct loop {
	struct loop_source *sources;
	struct pollfd *pollfds;
	size_t pollfds_cap;
	bool quit;
	sigset_t signals;
	int signal_fd;
	struct signal_handler handlers[16];
	size_t handlers_n;
};

struct loop *loop_create(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	sigemptyset(&loop->signals);
	loop->signal_fd = -1;
	return loop;
}

static void sweep(struct loop *loop, bool all)
{
	struct loop_source **p = &loop->sources;

	while (*p) {
		struct loop_source *s = *p;

		if (s->dead || all) {
			*p = s->next;
			free(s);
		} else {
			p = &s->next;
		}
	}
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	sweep(loop, true);
	if (loop->signal_fd >= 0) {
		close(loop->signal_fd);
		sigprocmask(SIG_UNBLOCK, &loop->signals, NULL);
	}
	free(loop->pollfds);
	free(loop);
}

static struct loop_source *add_source(struct loop *loop, enum source_kind kind, loop_callback cb, void *data)
{
	struct loop_source *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->kind = kind;
	s->fd = -1;
	s->slot = -1;
	s->cb = cb;
	s->data = data;
	s->next = loop->sources;
	loop->sources = s;
	return s;
}

struct loop_source *loop_add_fd(struct loop *loop, int fd, short events, loop_callback cb, void *data)
{
	struct loop_source *s = add_source(loop, SOURCE_FD, cb, data);

	s->fd = fd;
	s->events = events;
	return s;
}

void loop_set_events(struct loop_source *source, short events)
{
	source->events = events;
}

struct loop_source *loop_add_timer(struct loop *loop, uint64_t deadline_ns, loop_callback cb, void *data)
{
	struct loop_source *s = add_source(loop, SOURCE_TIMER, cb, data);

	s->deadline_ns = deadline_ns;
	return s;
}

static struct err *on_signal(struct loop_source *source, int fd, short revents, void *data)
{
	struct loop *loop = data;
	struct signalfd_siginfo info;

	(void)revents;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		for (size_t i = 0; i < loop->handlers_n; i++) {
			struct signal_handler *h = &loop->handlers[i];

			if (h->number == (int)info.ssi_signo)
				TRY(h->cb(source, h->number, 0, h->data));
		}
	}
	return NULL;
}

struct err *loop_add_signal(struct loop *loop, int signal_number, loop_callback cb, void *data)
{
	bool first = loop->signal_fd < 0;
	int fd;

	if (loop->handlers_n == ARRAY_SIZE(loop->handlers))
		return err_create(ERR_UNSUPPORTED, "too many signals for one loop");
	sigaddset(&loop->signals, signal_number);
	if (sigprocmask(SIG_BLOCK, &loop->signals, NULL) < 0)
		return err_os(errno, "block signal %d", signal_number);
	fd = signalfd(loop->signal_fd, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_os(errno, "make a signalfd");
	loop->signal_fd = fd;
	loop->handlers[loop->handlers_n++] = (struct signal_handler){ signal_number, cb, data };
	if (first)
		loop_add_fd(loop, fd, POLLIN, on_signal, loop);
	return NULL;
}

void loop_remove(struct loop_source *source)
{
	if (source)
		source->dead = true;
}

/* Fills the pollfds, and returns how long to wait in ms: -1 for ever. */
static int prepare(struct loop *loop, size_t *ret_n)
{
	uint64_t now = now_ns(), earliest = UINT64_MAX;
	size_t n = 0;

	for (struct loop_source *s = loop->sources; s; s = s->next) {
		s->slot = -1;
		if (s->kind == SOURCE_TIMER) {
			earliest = MIN(earliest, s->deadline_ns);
			continue;
		}
		if (!s->events)
			continue;
		if (n == loop->pollfds_cap) {
			loop->pollfds_cap = n ? 2 * n : 16;
			loop->pollfds = xreallocarray(loop->pollfds, loop->pollfds_cap, sizeof(*loop->pollfds));
		}
		loop->pollfds[n] = (struct pollfd){ .fd = s->fd, .events = s->events };
		s->slot = (int)n++;
	}
	*ret_n = n;
	if (earliest == UINT64_MAX)
		return -1;
	if (earliest <= now)
		return 0;
	return (int)MIN((earliest - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC, UINT64_C(3600000));
}

static struct err *dispatch(struct loop *loop)
{
	uint64_t now = now_ns();

	for (struct loop_source *s = loop->sources; s && !loop->quit; s = s->next) {
		if (s->dead)
			continue;
		if (s->kind == SOURCE_TIMER) {
			if (s->deadline_ns > now)
				continue;
			s->dead = true;
			TRY(s->cb(s, -1, 0, s->data));
		} else if (s->slot >= 0 && s->events) {
			/* A callback before this one may have asked for less. */
			short revents = loop->pollfds[s->slot].revents & (s->events | POLLERR | POLLHUP | POLLNVAL);

			if (revents)
				TRY(s->cb(s, s->fd, revents, s->data));
		}
	}
	return NULL;
}

struct err *loop_run(struct loop *loop)
{
	loop->quit = false;
	while (!loop->quit) {
		size_t n;
		int timeout;

		sweep(loop, false);
		timeout = prepare(loop, &n);
		if (poll(loop->pollfds, n, timeout) < 0) {
			if (errno == EINTR)
				continue;
			return err_os(errno, "poll");
		}
		TRY(dispatch(loop));
	}
	return NULL;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}
