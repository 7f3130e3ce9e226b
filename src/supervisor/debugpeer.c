#include "supervisor/debugpeer.h"

#include <ctype.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

/* Some distributions put a script in front of the program, which is .qemu-system-x86_64-wrapped then. */
static bool is_name_of_qemu(const char *name)
{
	return strncmp(name + (*name == '.'), "qemu-", 5) == 0;
}

/* A QEMU of ours calls itself ktb-NAME (vm/argv.c), whatever its program is called; others go by that. */
static bool is_qemu(const char *pid)
{
	_cleanup_(free) char *comm_path = xasprintf("/proc/%s/comm", pid), *exe_path = xasprintf("/proc/%s/exe", pid);
	_cleanup_(buf_deinit) struct buf comm = BUF_INIT;
	char exe[PATH_MAX];
	const char *slash;
	ssize_t n;

	err_ignore(read_file(comm_path, 4096, &comm));
	if (strncmp(buf_str(&comm), "ktb-", 4) == 0 || is_name_of_qemu(buf_str(&comm)))
		return true;
	n = readlink(exe_path, exe, sizeof(exe) - 1);
	exe[MAX(n, 0)] = '\0';
	slash = strrchr(exe, '/');
	return slash && is_name_of_qemu(slash + 1);
}

static bool has_peer(const char *pid, const struct sock_peer *peer)
{
	_cleanup_(free) char *path = xasprintf("/proc/%s", pid);
	bool has = false;
	struct err *e = sock_process_has(pid, peer->inode, &has);
	struct stat st;

	if (!e)
		return has;
	err_destroy(e);
	/* Root's are not shown to others: then any of them may be the one. */
	return stat(path, &st) == 0 && st.st_uid == peer->uid;
}

static bool is_guest(const struct sock_peer *peer)
{
	_cleanup_(closedir) DIR *proc = opendir("/proc");

	for (struct dirent *d; proc && (d = readdir(proc));) {
		if (isdigit((unsigned char)*d->d_name) && is_qemu(d->d_name) && has_peer(d->d_name, peer))
			return true;
	}
	return false;
}

enum debugpeer debugpeer_find(int fd)
{
	struct sock_peer peer;

	if (!sock_tcp_peer(fd, &peer))
		return DEBUGPEER_GONE;
	if (peer.uid != geteuid() && peer.uid != 0)
		return DEBUGPEER_OTHER_USER;
	return is_guest(&peer) ? DEBUGPEER_GUEST : DEBUGPEER_WELCOME;
}
