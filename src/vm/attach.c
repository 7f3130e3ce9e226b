#include "vm/attach.h"

#include <limits.h>

#include "base/buf.h"

/* The longest that init takes (guest/options.h). */
enum { GUEST_PATH_MAX = 255 };

#define PLAIN_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-@"

void attach_deinit(struct attach *a)
{
	for (size_t i = 0; i < a->shares_n; i++) {
		free(a->shares[i].host);
		free(a->shares[i].guest);
	}
	for (size_t i = 0; i < a->disks_n; i++)
		free(a->disks[i].path);
	free(a->shares);
	free(a->disks);
	free(a->forwards);
	free(a->root);
	*a = (struct attach){ .root = NULL };
}

/* Cuts ":word" off the end of text, in place, if it is there. */
static bool cut_word(char *text, const char *word)
{
	size_t n = strlen(text), m = strlen(word);

	if (n < m + 1 || text[n - m - 1] != ':' || !streq(text + n - m, word))
		return false;
	text[n - m - 1] = '\0';
	return true;
}

static struct err *too_many(const char *flag)
{
	return err_create(ERR_USAGE, "%s: more than %d of them", flag, ATTACH_MAX);
}

/* --- Shares --- */

static struct err *check_guest_path(const char *text, const char *path)
{
	_cleanup_(free) char *copy = xstrdup(path);
	char *rest = copy, *part;
	bool empty = true;

	while ((part = strsep(&rest, "/"))) {
		if (streq(part, "..") || streq(part, "."))
			return err_create(ERR_USAGE, "--share: the place in the guest has a '%s' in it: %s", part,
					  text);
		empty = empty && !*part;
	}
	if (empty)
		return err_create(ERR_USAGE, "--share: it would be the guest's root: %s; for that there is --root",
				  text);
	if (strlen(path) > GUEST_PATH_MAX)
		return err_create(ERR_USAGE, "--share: the place in the guest is longer than %d bytes: %s",
				  GUEST_PATH_MAX, text);
	return NULL;
}

/* /mnt/NAME, by the last part of the host's path. */
static struct err *default_guest_path(const char *text, const char *host, char **ret)
{
	_cleanup_(free) char *copy = xstrdup(host);
	size_t n = strlen(copy);
	const char *slash, *name;

	while (n && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (!*name || streq(name, ".") || streq(name, ".."))
		return err_create(ERR_USAGE, "--share: %s gives no name for /mnt/NAME; say where it goes: %s:/mnt/host",
				  text, host);
	*ret = xasprintf("/mnt/%s", name);
	return NULL;
}

struct err *attach_add_share(struct attach *a, const char *text)
{
	_cleanup_(free) char *host = xstrdup(text), *guest = NULL;
	bool writable = cut_word(host, "rw");
	char *colon = NULL;

	if (!writable)
		(void)cut_word(host, "ro");
	for (char *p = host; (p = strstr(p, ":/")); p++)
		colon = p;
	if (colon) {
		*colon = '\0';
		guest = xstrdup(colon + 1);
	}
	if (!*host)
		return err_create(ERR_USAGE, "--share: '%s' names no folder; expected HOST[:GUEST][:rw]", text);
	if (!guest)
		TRY(default_guest_path(text, host, &guest));
	TRY(check_guest_path(text, guest));
	for (size_t i = 0; i < a->shares_n; i++) {
		if (streq(a->shares[i].guest, guest))
			return err_create(ERR_USAGE,
					  "--share: two folders for %s in the guest: %s and %s; give one another "
					  "place (HOST:GUEST)",
					  guest, a->shares[i].host, host);
	}
	if (a->shares_n == ATTACH_MAX)
		return too_many("--share");
	a->shares = xreallocarray(a->shares, a->shares_n + 1, sizeof(*a->shares));
	a->shares[a->shares_n++] = (struct share){ steal(&host), steal(&guest), writable, false };
	return NULL;
}

/* --- Disks --- */

const char *disk_format_name(enum disk_format format)
{
	return format == DISK_QCOW2 ? "qcow2" : "raw";
}

struct err *attach_add_disk(struct attach *a, const char *text)
{
	struct disk d = { .format = DISK_RAW };
	_cleanup_(free) char *path = xstrdup(text);
	bool raw = false, qcow2 = false;

	for (bool more = true; more;) {
		more = true;
		if (cut_word(path, "ro"))
			d.readonly = true;
		else if (cut_word(path, "snapshot"))
			d.snapshot = true;
		else if (cut_word(path, "raw"))
			raw = true;
		else if (cut_word(path, "qcow2"))
			qcow2 = true;
		else
			more = false;
	}
	if (!*path)
		return err_create(ERR_USAGE, "--image: '%s' names no file; expected FILE[:ro][:snapshot][:raw|:qcow2]",
				  text);
	if (raw && qcow2)
		return err_create(ERR_USAGE, "--image: %s can't be both raw and qcow2", path);
	if (d.readonly && d.snapshot)
		return err_create(ERR_USAGE, "--image: %s: what is :ro takes no changes for :snapshot to forget", path);
	if (a->disks_n == ATTACH_MAX)
		return too_many("--image");
	d.format_given = raw || qcow2;
	if (qcow2 || (!raw && has_suffix(path, ".qcow2")))
		d.format = DISK_QCOW2;
	d.path = steal(&path);
	a->disks = xreallocarray(a->disks, a->disks_n + 1, sizeof(*a->disks));
	a->disks[a->disks_n++] = d;
	return NULL;
}

/* --- Forwards --- */

static struct err *parse_port(const char *text, const char *port, uint16_t *ret)
{
	uint64_t number = 0;
	struct err *e = parse_u64(port, UINT16_MAX, &number);

	if (e || !number) {
		err_ignore(e);
		return err_create(ERR_USAGE,
				  "--forward: '%s' in '%s' is no port (1 to 65535); expected "
				  "[tcp:|udp:]HOSTPORT:GUESTPORT",
				  port, text);
	}
	*ret = (uint16_t)number;
	return NULL;
}

struct err *attach_add_forward(struct attach *a, const char *text)
{
	const char *udp = skip_prefix(text, "udp:"), *tcp = skip_prefix(text, "tcp:");
	const char *ports = udp ? udp : tcp ? tcp : text, *colon = strchr(ports, ':');
	struct forward f = { .udp = udp != NULL };
	_cleanup_(free) char *host = NULL;

	if (!colon)
		return err_create(ERR_USAGE, "--forward: '%s' is not [tcp:|udp:]HOSTPORT:GUESTPORT", text);
	host = xstrndup(ports, (size_t)(colon - ports));
	f.any_host_port = streq(host, "auto");
	if (!f.any_host_port)
		TRY(parse_port(text, host, &f.host_port));
	TRY(parse_port(text, colon + 1, &f.guest_port));
	for (size_t i = 0; i < a->forwards_n; i++) {
		if (f.host_port && a->forwards[i].udp == f.udp && a->forwards[i].host_port == f.host_port)
			return err_create(ERR_USAGE, "--forward: port %u of the host is forwarded twice", f.host_port);
	}
	if (a->forwards_n == ATTACH_MAX)
		return too_many("--forward");
	a->forwards = xreallocarray(a->forwards, a->forwards_n + 1, sizeof(*a->forwards));
	a->forwards[a->forwards_n++] = f;
	return NULL;
}

char *forward_format(const struct forward *f)
{
	return xasprintf("%s:%u:%u", f->udp ? "udp" : "tcp", f->host_port, f->guest_port);
}

char *attach_format_forwards(const struct attach *a)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;

	for (size_t i = 0; i < a->forwards_n; i++)
		strv_take(&words, forward_format(&a->forwards[i]));
	return words.n ? strv_join(&words, " ") : NULL;
}

/* --- QEMU and the guest --- */

/* In the value of an option of QEMU's a comma is written twice. */
static char *escape_option(const char *value)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	for (; *value; value++) {
		if (*value == ',')
			buf_putc(&b, ',');
		buf_putc(&b, *value);
	}
	return xstrdup(buf_str(&b));
}

/*
 * readonly=on is the protection: QEMU refuses then whatever the guest asks for. `none` follows no link of the guest's
 * on the host, and tells apart files of several file systems (multidevs=remap).
 */
static void add_folder(struct strv *argv, const char *id, const char *host, bool writable, bool mapped)
{
	_cleanup_(free) char *path = escape_option(host);

	strv_add(argv, "-fsdev");
	strv_addf(argv, "local,id=%s,path=%s,security_model=%s,multidevs=remap%s", id, path,
		  mapped ? "mapped-xattr" : "none", writable ? "" : ",readonly=on");
	strv_add(argv, "-device");
	strv_addf(argv, "virtio-9p-pci,fsdev=%s,mount_tag=%s", id, id);
}

static void add_disk(struct strv *argv, const struct disk *d, size_t number)
{
	_cleanup_(free) char *path = escape_option(d->path);

	strv_add(argv, "-drive");
	strv_addf(argv, "if=none,id=disk%zu,file=%s,format=%s%s%s", number, path, disk_format_name(d->format),
		  d->readonly ? ",readonly=on" : "", d->snapshot ? ",snapshot=on" : "");
	strv_add(argv, "-device");
	strv_addf(argv, "virtio-blk-pci,drive=disk%zu", number);
}

void attach_argv(const struct attach *a, struct strv *argv)
{
	for (size_t i = 0; i < a->disks_n; i++)
		add_disk(argv, &a->disks[i], i);
	if (a->root)
		add_folder(argv, "root", a->root, false, false);
	for (size_t i = 0; i < a->shares_n; i++) {
		_cleanup_(free) char *id = xasprintf("share%zu", i);

		add_folder(argv, id, a->shares[i].host, a->shares[i].writable, a->shares[i].mapped);
	}
}

char *attach_netdev(const struct attach *a)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;

	strv_add(&words, "user,id=net0");
	for (size_t i = 0; i < a->forwards_n; i++)
		strv_addf(&words, "hostfwd=%s:127.0.0.1:%u-:%u", a->forwards[i].udp ? "udp" : "tcp",
			  a->forwards[i].host_port, a->forwards[i].guest_port);
	return strv_join(&words, ",");
}

char *attach_escape_word(const char *path)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	for (; *path; path++) {
		if (strchr(PLAIN_CHARACTERS, *path))
			buf_putc(&b, *path);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*path);
	}
	return xstrdup(buf_str(&b));
}

void attach_cmdline(const struct attach *a, struct strv *words)
{
	for (size_t i = 0; i < a->shares_n; i++) {
		_cleanup_(free) char *path = attach_escape_word(a->shares[i].guest);

		strv_addf(words, "ktb.share=share%zu:%s:%s", i, a->shares[i].writable ? "rw" : "ro", path);
	}
}
