#include "vm/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sock.h"

enum { FIFO_SIZE = 1 << 20 };

/*
 * The guest's RAM: a memfd, so that it needs no room in a tmpfs, has no name that others could open, and goes with its
 * last user. Sealed to its size: nobody can make a reader's mapping fault by cutting it.
 */
static struct err *make_ram(uint64_t size, int *ret)
{
	_cleanup_(close) int fd = memfd_create("ktb-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_os(errno, "make shared memory for the guest");
	if (ftruncate(fd, (off_t)size) < 0)
		return err_os(errno, "size the guest's memory to %llu MB", (unsigned long long)(size / MIB));
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_os(errno, "seal the guest's memory");
	*ret = steal_fd(&fd);
	return NULL;
}

/* The ends that QEMU gets; they are closed here once it runs. */
struct theirs {
	int qmp, hmp, init, stderr_fd;
};

static void theirs_deinit(struct theirs *t)
{
	const int fds[] = { t->qmp, t->hmp, t->init, t->stderr_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
DEFINE_CLEANUP_STORAGE(struct theirs, theirs_deinit);

/*
 * Opened for both directions: then it opens without a reader, and a FIFO whose other end closes does not spin in
 * poll(2).
 */
static struct err *make_fifo(int dir_fd, const char *name, int *ret)
{
	int fd;

	unlinkat(dir_fd, name, 0);
	if (mkfifoat(dir_fd, name, 0600) < 0)
		return err_os(errno, "make the FIFO %s", name);
	fd = openat(dir_fd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_os(errno, "open the FIFO %s", name);
	/* Less than asked for (a limit of the user's pipes) only means less room. */
	(void)fcntl(fd, F_SETPIPE_SZ, FIFO_SIZE);
	*ret = fd;
	return NULL;
}

static struct err *make_channels(struct qemu *q, struct theirs *t)
{
	TRY(sock_pair(&q->qmp_fd, &t->qmp));
	TRY(sock_pair(&q->hmp_fd, &t->hmp));
	TRY(sock_pair(&q->init_fd, &t->init));
	TRY(process_pipe(&q->stderr_fd, &t->stderr_fd));
	set_nonblock(q->stderr_fd, true);
	return NULL;
}

static struct err *spawn(const struct vm_params *params, int dir_fd, int stub_fd, int agent_fd, struct qemu *q,
			 const struct theirs *t)
{
	const struct vm_channels channels = {
		.ram_fd = q->ram_fd,
		.dir_fd = dir_fd,
		.qmp_fd = t->qmp,
		.hmp_fd = t->hmp,
		.init_fd = t->init,
		.stub_fd = stub_fd,
		.agent_fd = agent_fd,
	};
	const int keep[] = { q->ram_fd, dir_fd, t->qmp, t->hmp, t->init, stub_fd, agent_fd };
	_cleanup_(close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct process_options options = PROCESS_OPTIONS_INIT;

	vm_argv(params, &channels, &argv);
	options.argv = (const char *const *)argv.v;
	options.stdin_fd = null_fd;
	options.stdout_fd = t->stderr_fd;
	options.stderr_fd = t->stderr_fd;
	options.keep_fds = keep;
	options.keep_fds_n = ARRAY_SIZE(keep);
	/* What is typed on our terminal is not for QEMU. */
	options.new_session = true;
	options.die_with_parent = true;
	return process_spawn(&options, &q->process);
}

struct err *qemu_start(const struct vm_params *params, int dir_fd, int stub_fd, int agent_fd, struct qemu *ret)
{
	_cleanup_(qemu_deinit) struct qemu q = QEMU_INIT;
	_cleanup_(theirs_deinit) struct theirs t = { -1, -1, -1, -1 };

	TRY(make_ram(params->memory, &q.ram_fd));
	TRY(make_fifo(dir_fd, "serial.out", &q.serial_out_fd));
	TRY(make_fifo(dir_fd, "serial.in", &q.serial_in_fd));
	if (params->kgdb_line) {
		TRY(make_fifo(dir_fd, "kgdb.out", &q.kgdb_out_fd));
		TRY(make_fifo(dir_fd, "kgdb.in", &q.kgdb_in_fd));
	}
	TRY(make_channels(&q, &t));
	TRY(spawn(params, dir_fd, stub_fd, agent_fd, &q, &t));
	*ret = q;
	q = (struct qemu)QEMU_INIT;
	return NULL;
}

void qemu_deinit(struct qemu *q)
{
	int *const fds[] = { &q->ram_fd, &q->serial_out_fd, &q->serial_in_fd, &q->kgdb_out_fd, &q->kgdb_in_fd,
			     &q->qmp_fd, &q->hmp_fd,        &q->init_fd,      &q->stderr_fd };

	process_deinit(&q->process);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(steal_fd(fds[i]));
	}
}

struct err *qemu_ram_readonly(const struct qemu *q, int *ret)
{
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", q->ram_fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_os(errno, "reopen the guest's memory for reading");
	*ret = fd;
	return NULL;
}
