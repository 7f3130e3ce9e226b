#include "supervisor/agentport.h"

#include <sys/wait.h>

#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "supervisor/broker.h"

struct agentport {
	struct loop *loop;
	const struct rundir *rundir;
	int listen_fd;
	struct process broker;
	struct loop_source *broker_source;
	int broker_fd; /* -1: there is none */
};

struct err *agentport_create(struct loop *loop, const struct rundir *rundir, struct agentport **ret)
{
	struct agentport *a;
	int fd;

	TRY(sock_listen_at(rundir_fd(rundir), "agent.sock", &fd));
	a = xcalloc(1, sizeof(*a));
	a->loop = loop;
	a->rundir = rundir;
	a->listen_fd = fd;
	a->broker = (struct process)PROCESS_INIT;
	a->broker_fd = -1;
	*ret = a;
	return NULL;
}

void agentport_hang_up(struct agentport *a)
{
	loop_remove(steal(&a->broker_source));
	process_deinit(&a->broker);
	if (a->broker_fd >= 0)
		close(steal_fd(&a->broker_fd));
}

void agentport_destroy(struct agentport *a)
{
	if (!a)
		return;
	agentport_hang_up(a);
	close(a->listen_fd);
	free(a);
}

int agentport_fd(const struct agentport *a)
{
	return a->listen_fd;
}

/* In the broker: keeps its three descriptors, and nothing else of the supervisor's. */
static __attribute__((noreturn)) void run_broker(int supervisor_fd, int dir_fd)
{
	const int keep[] = { STDERR_FILENO, supervisor_fd, dir_fd };
	struct err *e;

	log_set_sink(NULL, NULL);
	process_keep_only(keep, ARRAY_SIZE(keep));
	e = broker_run(supervisor_fd, dir_fd);
	if (e)
		log_warn("the guest's agent: %s", err_message(e));
	err_destroy(e);
	_exit(0);
}

static struct err *on_broker_end(struct loop_source *source, int fd, short revents, void *user)
{
	struct agentport *a = user;
	int status;

	(void)source;
	(void)fd;
	(void)revents;
	loop_remove(steal(&a->broker_source));
	close(steal_fd(&a->broker_fd));
	TRY(process_wait(&a->broker, &status));
	if (WIFSIGNALED(status)) {
		_cleanup_(free) char *how = process_describe_status(status);

		log_warn("the broker for ktb exec ended: %s; the VM is as it was, and the next ktb exec starts another",
			 how);
	}
	return NULL;
}

static struct err *start_broker(struct agentport *a)
{
	_cleanup_(close) int ours = -1, theirs = -1;
	bool child;

	TRY(sock_pair(&ours, &theirs));
	TRY(process_fork(true, &a->broker, &child));
	if (child)
		run_broker(theirs, rundir_fd(a->rundir));
	a->broker_fd = steal_fd(&ours);
	a->broker_source = loop_add_fd(a->loop, a->broker.pidfd, POLLIN, on_broker_end, a);
	return NULL;
}

struct err *agentport_connect(struct agentport *a, int *ret)
{
	static const char client = BROKER_CLIENT;
	_cleanup_(close) int ours = -1, theirs = -1;

	if (a->broker_fd < 0)
		TRY(start_broker(a));
	/* The broker's end is the one that doesn't block. */
	TRY(sock_pair(&theirs, &ours));
	TRY(err_wrap(sock_send_fd(a->broker_fd, &client, 1, theirs), "hand a client to the broker"));
	*ret = steal_fd(&ours);
	return NULL;
}

void agentport_guest_closed(struct agentport *a)
{
	static const char closed = BROKER_GUEST_CLOSED;
	struct err *e;

	if (a->broker_fd < 0)
		return;
	e = sock_send_fd(a->broker_fd, &closed, 1, -1);
	if (!e)
		return;
	/* One that doesn't listen would go on with an agent that isn't there. */
	log_debug("the broker: %s", err_message(e));
	err_destroy(e);
	process_kill(&a->broker, SIGKILL);
}
