/*
 * Theory of operation. A worker process is told the number of a check, makes it, and sends back what it has to say and a
 * mark at its end. The parent waits for that as long as the check may take. If that time is over, or the worker
 * dies, the check has found a problem, and another worker is started for the next one. The worker leads a process
 * group, so that what a check has started goes with it.
 */
#include "doctor/check.h"

#include <errno.h>
#include <poll.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"

/* In place of a status: the check is done. */
enum { CHECK_DONE = 0x100, FRAME_MAX = 1 << 20, TEXTS = 3 };

const char *doctor_status_name(enum doctor_status status)
{
	switch (status) {
	case DOCTOR_OK:
		return "ok";
	case DOCTOR_WARNING:
		return "warning";
	case DOCTOR_PROBLEM:
		return "problem";
	case DOCTOR_SKIPPED:
		break;
	}
	return "skipped";
}

struct run {
	const struct config *cfg;
	const struct doctor_ops *ops;
	void (*f)(const struct doctor_result *result, void *user);
	void *user;
	enum doctor_status *worst; /* of each check */
	struct process worker;
	int fd;
	struct buf in;
};

static void pass_on(struct run *r, size_t i, enum doctor_status status, const char *const texts[TEXTS])
{
	const struct doctor_check *c = &doctor_checks[i];
	const struct doctor_result result = { c->group, c->name, c->title, status, texts[0], texts[1], texts[2] };

	if (status != DOCTOR_OK && r->worst[i] != DOCTOR_PROBLEM)
		r->worst[i] = status;
	r->f(&result, r->user);
}

/* --- The worker --- */

static __attribute__((noreturn)) void work(const struct run *r, int fd)
{
	struct doctor d = { .cfg = r->cfg, .ops = r->ops, .fd = fd };
	size_t i;

	setpgid(0, 0);
	while (read(fd, &i, sizeof(i)) == (ssize_t)sizeof(i)) {
		struct err *e = doctor_checks[i].run(&d);

		if (e)
			say_error(&d, DOCTOR_PROBLEM, e, NULL, NULL);
		say_text(&d, (enum doctor_status)CHECK_DONE, NULL, NULL, NULL);
	}
	_exit(0);
}

static struct err *start_worker(struct run *r)
{
	int ours, theirs;
	struct err *e;
	bool child;

	TRY(sock_pair(&ours, &theirs));
	e = process_fork(true, &r->worker, &child);
	if (!e && child) {
		close(ours);
		work(r, theirs);
	}
	close(theirs);
	if (e) {
		close(ours);
		return e;
	}
	r->fd = ours;
	buf_clear(&r->in);
	return NULL;
}

static void stop_worker(struct run *r)
{
	int status;

	if (r->fd < 0)
		return;
	kill(-r->worker.pid, SIGKILL);
	process_kill(&r->worker, SIGKILL);
	err_ignore(process_wait(&r->worker, &status));
	close(steal_fd(&r->fd));
}

/* --- What it sends --- */

/* Takes a frame from the front of the buffer; false if it isn't all there. The texts are valid until the next call. */
static bool take_frame(struct run *r, struct buf *frame, unsigned int *ret_status, const char *texts[TEXTS])
{
	size_t at = sizeof(*ret_status), len;
	const char *data = buf_str(&r->in);
	size_t offsets[TEXTS], lens[TEXTS];

	if (r->in.len < at)
		return false;
	for (size_t i = 0; i < TEXTS; i++) {
		if (r->in.len < at + sizeof(len))
			return false;
		memcpy(&len, data + at, sizeof(len));
		at += sizeof(len);
		if (len > FRAME_MAX || r->in.len - at < len)
			return false;
		offsets[i] = at;
		lens[i] = len;
		at += len;
	}
	memcpy(ret_status, data, sizeof(*ret_status));
	buf_clear(frame);
	buf_append(frame, data, at);
	buf_consume(&r->in, at);
	for (size_t i = 0; i < TEXTS; i++)
		texts[i] = lens[i] ? buf_str(frame) + offsets[i] : NULL;
	return true;
}

/* Reads until the check is done; *ret_why is what went wrong, or NULL. */
static struct err *follow_check(struct run *r, size_t i, char **ret_why)
{
	uint64_t deadline = now_ns() + doctor_checks[i].seconds * NSEC_PER_SEC;
	_cleanup_(buf_deinit) struct buf frame = BUF_INIT;

	*ret_why = NULL;
	for (;;) {
		struct pollfd pfd = { .fd = r->fd, .events = POLLIN };
		uint64_t now = now_ns();
		const char *texts[TEXTS];
		unsigned int status;
		ssize_t n;

		while (take_frame(r, &frame, &status, texts)) {
			if (status == CHECK_DONE)
				return NULL;
			pass_on(r, i, (enum doctor_status)status, texts);
		}
		n = now < deadline ? poll(&pfd, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			*ret_why = xasprintf("no result after %u seconds", doctor_checks[i].seconds);
			return NULL;
		}
		n = n > 0 ? read(r->fd, buf_reserve(&r->in, 65536), 65536) : n;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_os(errno, "listen to the checks");
		if (n == 0) {
			*ret_why = xstrdup("the check itself crashed");
			return NULL;
		}
		buf_commit(&r->in, (size_t)n);
	}
}

/* The first check that this one needs and that found something, or was skipped itself. */
static const char *missing_need(const struct run *r, size_t i)
{
	for (size_t n = 0; n < CHECK_NEEDS_MAX && doctor_checks[i].needs[n]; n++) {
		for (size_t j = 0; j < i; j++) {
			if (streq(doctor_checks[j].name, doctor_checks[i].needs[n]) && r->worst[j] != DOCTOR_OK)
				return doctor_checks[j].title;
		}
	}
	return NULL;
}

static void report_failure(struct run *r, size_t i, const char *why)
{
	const char *const texts[TEXTS] = { why, "what it looks at hangs, or is broken in a way that nobody thought of",
					   "run ktb doctor -v; look at what it was just about to do" };

	pass_on(r, i, DOCTOR_PROBLEM, texts);
}

static struct err *make_check(struct run *r, size_t i)
{
	const char *missing = missing_need(r, i);
	_cleanup_(free) char *why = NULL;

	if (missing) {
		_cleanup_(free) char *text = xasprintf("needs: %s", missing);
		const char *const texts[TEXTS] = { text, NULL, NULL };

		pass_on(r, i, DOCTOR_SKIPPED, texts);
		return NULL;
	}
	if (r->fd < 0)
		TRY(start_worker(r));
	TRY(write_all(r->fd, &i, sizeof(i)));
	TRY(follow_check(r, i, &why));
	if (why) {
		report_failure(r, i, why);
		stop_worker(r);
	}
	return NULL;
}

struct err *doctor_run(const struct config *cfg, const struct doctor_ops *ops,
		       void (*f)(const struct doctor_result *result, void *user), void *user)
{
	struct run r = { .cfg = cfg, .ops = ops, .f = f, .user = user, .worker = PROCESS_INIT, .fd = -1 };
	struct err *e = NULL;

	r.worst = xcalloc(doctor_checks_n, sizeof(*r.worst));
	for (size_t i = 0; i < doctor_checks_n && !e; i++)
		e = make_check(&r, i);
	stop_worker(&r);
	buf_deinit(&r.in);
	free(r.worst);
	return e;
}
