#include "cmd/attach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/sock.h"
#include "vm/image_header.h"

enum { CHAIN_MAX = 16 };

#define DEFAULT_INIT "/sbin/init"

static struct err *check_folder(const char *flag, const char *path, bool writable)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_create(ERR_NOT_FOUND, "%s: there is no folder %s", flag, path);
		return err_os(errno, "%s: look at %s", flag, path);
	}
	if (!S_ISDIR(st.st_mode))
		return err_create(ERR_USAGE, "%s: %s is not a folder", flag, path);
	if (access(path, R_OK | X_OK | (writable ? W_OK : 0)) < 0)
		return err_os(errno, "%s: %s %s", flag, writable ? "write to" : "read", path);
	return NULL;
}

/* As root, what the guest makes must not become files of root's on the host as it likes: see struct share. */
static struct err *choose_model(struct share *s)
{
	if (!s->writable || geteuid() != 0)
		return NULL;
	s->mapped = true;
	if (getxattr(s->host, "user.virtfs.mode", NULL, 0) < 0 && errno == EOPNOTSUPP)
		return err_create(
			ERR_UNSUPPORTED,
			"--share %s: its file system has no extended attributes, which ktb needs to let a guest "
			"write there when it runs as root; run ktb as another user, or share a folder elsewhere",
			s->host);
	return NULL;
}

static struct err *prepare_shares(const struct strv *list, struct attach *a)
{
	for (size_t i = 0; i < list->n; i++) {
		TRY(attach_add_share(a, list->v[i]));
		TRY(check_folder("--share", a->shares[i].host, a->shares[i].writable));
		TRY(choose_model(&a->shares[i]));
	}
	return NULL;
}

static struct err *read_header(int fd, const char *path, struct image_header *ret)
{
	_cleanup_(free) char *start = xmalloc(IMAGE_HEADER_MAX);
	ssize_t n = pread(fd, start, IMAGE_HEADER_MAX, 0);

	if (n < 0)
		return err_os(errno, "--image: read %s", path);
	return err_wrap(image_header_parse(start, (size_t)n, ret), "--image: %s", path);
}

static struct err *open_image(const char *path, int *ret)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_create(ERR_NOT_FOUND, "--image: there is no file %s", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "--image: open %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_create(ERR_USAGE, "--image: %s is neither a file nor a disk", path);
	*ret = steal_fd(&fd);
	return NULL;
}

/* The image, and what it is based on, down to the last one: each names the next. */
static struct err *check_chain(const struct disk *d, unsigned int depth)
{
	_cleanup_(image_header_deinit) struct image_header header = { .backing = NULL };
	_cleanup_(free) char *folder = NULL, *backing = NULL;
	_cleanup_(close) int fd = -1;
	struct disk next = { .readonly = true, .format_given = true };

	if (depth > CHAIN_MAX)
		return err_create(ERR_USAGE, "--image: %s is more than %d images away, or based on itself", d->path,
				  CHAIN_MAX);
	TRY(open_image(d->path, &fd));
	TRY(read_header(fd, d->path, &header));
	TRY(image_header_check(&header, d));
	if (!header.backing)
		return NULL;
	log_info("%s is based on %s", d->path, header.backing);
	folder = xstrndup(d->path, (size_t)(strrchr(d->path, '/') - d->path));
	backing = path_absolute(header.backing, folder);
	next.path = backing;
	next.format = streq(header.backing_format, "raw") ? DISK_RAW : DISK_QCOW2;
	return check_chain(&next, depth + 1);
}

static struct err *check_image(const struct disk *d)
{
	_cleanup_(close) int fd = -1;

	TRY(open_image(d->path, &fd));
	if (!d->readonly && !d->snapshot && access(d->path, W_OK) < 0)
		return err_append(err_os(errno, "--image: write to %s", d->path),
				  "; add :ro or :snapshot to leave it as "
				  "it is");
	return check_chain(d, 0);
}

static struct err *prepare_disks(const struct strv *list, struct attach *a)
{
	for (size_t i = 0; i < list->n; i++) {
		TRY(attach_add_disk(a, list->v[i]));
		TRY(check_image(&a->disks[i]));
	}
	return NULL;
}

/* Binds the port as QEMU will, and gives it up again: QEMU's own message would not say who has it. */
static struct err *try_port(struct forward *f)
{
	_cleanup_(close) int fd = socket(AF_INET, (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(f->host_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	const int on = 1;

	if (fd < 0)
		return err_os(errno, "make a socket");
	if (!f->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		int errnum = errno;
		_cleanup_(free) char *owner = f->udp ? NULL : sock_port_owner(f->host_port);

		return err_append(err_os(errnum, "--forward: take port %u of 127.0.0.1 (%s)", f->host_port,
					 f->udp ? "udp" : "tcp"),
				  "%s%s; name another port, or auto for a free one", owner ? ": it is used by " : "",
				  owner ? owner : "");
	}
	f->host_port = ntohs(address.sin_port);
	return NULL;
}

static struct err *prepare_forwards(const struct strv *list, struct attach *a)
{
	for (size_t i = 0; i < list->n; i++) {
		TRY(attach_add_forward(a, list->v[i]));
		TRY(try_port(&a->forwards[i]));
	}
	return NULL;
}

void attach_tell_ports(const struct attach *a)
{
	for (size_t i = 0; i < a->forwards_n; i++) {
		_cleanup_(free) char *text = forward_format(&a->forwards[i]);

		if (a->forwards[i].any_host_port)
			log_info("forwarded: %s", text);
	}
}

/* The guest's disks have names of the kernel's; everything else is a folder of the host. */
static bool is_device(const char *root)
{
	return skip_prefix(root, "/dev/") != NULL;
}

static struct err *check_init(const struct config *cfg)
{
	const char *root = config_string(cfg, OPT_VM_ROOT), *init = config_string(cfg, OPT_VM_INIT);

	if (init && !root)
		return err_create(ERR_USAGE, "--init: there is no --root that it could be in");
	if (init && *init != '/' && !streq(init, "ktb"))
		return err_create(ERR_USAGE, "--init: '%s' is neither ktb nor the path of a program in the guest",
				  init);
	return NULL;
}

static struct err *prepare_root(const struct config *cfg, struct attach *a)
{
	const char *root = config_string(cfg, OPT_VM_ROOT);

	if (!root)
		return NULL;
	if (is_device(root)) {
		if (!a->disks_n && !config_list(cfg, OPT_VM_QEMU_ARGS)->n)
			return err_create(ERR_USAGE,
					  "--root %s: that is a disk, and the VM has none; give it one with "
					  "--image FILE",
					  root);
		return NULL;
	}
	TRY(check_folder("--root", root, false));
	a->root = xstrdup(root);
	return NULL;
}

struct err *attach_prepare(const struct config *cfg, struct attach *ret)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };

	TRY(prepare_shares(config_list(cfg, OPT_VM_SHARE), &a));
	TRY(prepare_disks(config_list(cfg, OPT_VM_IMAGE), &a));
	TRY(check_init(cfg));
	TRY(prepare_root(cfg, &a));
	TRY(prepare_forwards(config_list(cfg, OPT_VM_FORWARD), &a));
	*ret = a;
	a = (struct attach){ .root = NULL };
	return NULL;
}

/* The program that becomes process 1 in the root; NULL: ktb's own init. */
static const char *own_init(const struct config *cfg)
{
	const char *root = config_string(cfg, OPT_VM_ROOT), *init = config_string(cfg, OPT_VM_INIT);

	if (!root || (init && streq(init, "ktb")))
		return NULL;
	if (init)
		return init;
	return is_device(root) ? DEFAULT_INIT : NULL;
}

bool attach_has_own_init(const struct config *cfg)
{
	return own_init(cfg) != NULL;
}

void attach_words(const struct config *cfg, const struct attach *a, struct strv *words)
{
	const char *root = config_string(cfg, OPT_VM_ROOT), *own = own_init(cfg);

	if (root) {
		_cleanup_(free) char *word = a->root ? xstrdup("9p") : attach_escape_word(root);

		strv_addf(words, "ktb.root=%s", word);
	}
	if (own) {
		_cleanup_(free) char *word = attach_escape_word(own);

		strv_addf(words, "ktb.init=%s", word);
	}
	attach_cmdline(a, words);
}
