#include "supervisor/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/sock.h"
#include "base/util.h"

enum { RECORD_MAX = 1 << 20, NAME_MAX_LEN = 64, GONE_TIMEOUT_MS = 30000 };

struct rundir {
	char *root;
	char *path;
	int fd;
	int lock_fd;
};

void vm_record_destroy(struct vm_record *r)
{
	if (!r)
		return;
	char *const strings[] = { r->name,        r->dir,      r->accel,   r->cmdline, r->kernel,
				  r->vmlinux,     r->build_id, r->release, r->srctree, r->build_dir,
				  r->gdb_scripts, r->modules,  r->forward };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(strings[i]);
	free(r);
}

/* One table for both directions. */
enum field_type { FIELD_STRING, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_PID, FIELD_BOOL };

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	bool required;
};

static const struct field fields[] = {
	{ "name", FIELD_STRING, offsetof(struct vm_record, name), true },
	{ "dir", FIELD_STRING, offsetof(struct vm_record, dir), true },
	{ "pid", FIELD_PID, offsetof(struct vm_record, pid), true },
	{ "port", FIELD_U16, offsetof(struct vm_record, port), true },
	{ "accel", FIELD_STRING, offsetof(struct vm_record, accel), true },
	{ "memory", FIELD_U64, offsetof(struct vm_record, memory), true },
	{ "cpus", FIELD_U32, offsetof(struct vm_record, cpus), true },
	{ "started", FIELD_U64, offsetof(struct vm_record, started), true },
	{ "kaslr", FIELD_BOOL, offsetof(struct vm_record, kaslr), true },
	{ "kgdb", FIELD_BOOL, offsetof(struct vm_record, kgdb), false },
	{ "cmdline", FIELD_STRING, offsetof(struct vm_record, cmdline), false },
	{ "kernel", FIELD_STRING, offsetof(struct vm_record, kernel), false },
	{ "vmlinux", FIELD_STRING, offsetof(struct vm_record, vmlinux), false },
	{ "build_id", FIELD_STRING, offsetof(struct vm_record, build_id), false },
	{ "release", FIELD_STRING, offsetof(struct vm_record, release), false },
	{ "srctree", FIELD_STRING, offsetof(struct vm_record, srctree), false },
	{ "build_dir", FIELD_STRING, offsetof(struct vm_record, build_dir), false },
	{ "gdb_scripts", FIELD_STRING, offsetof(struct vm_record, gdb_scripts), false },
	{ "modules", FIELD_STRING, offsetof(struct vm_record, modules), false },
	{ "forward", FIELD_STRING, offsetof(struct vm_record, forward), false },
};

static struct json_object *field_to_json(const struct vm_record *r, const struct field *f)
{
	const void *p = (const char *)r + f->offset;

	switch (f->type) {
	case FIELD_STRING:
		return *(char *const *)p ? json_object_new_string(*(char *const *)p) : NULL;
	case FIELD_U16:
		return json_object_new_uint64(*(const uint16_t *)p);
	case FIELD_U32:
		return json_object_new_uint64(*(const uint32_t *)p);
	case FIELD_U64:
		return json_object_new_uint64(*(const uint64_t *)p);
	case FIELD_PID:
		return json_object_new_int64(*(const pid_t *)p);
	case FIELD_BOOL:
		return json_object_new_boolean(*(const bool *)p);
	}
	return NULL;
}

char *vm_record_format(const struct vm_record *r)
{
	struct json_object *object = json_object_new_object();
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_object_add(object, fields[i].name, field_to_json(r, &fields[i]));
	text = xasprintf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
										JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return text;
}

static bool field_from_json(struct vm_record *r, const struct field *f, struct json_object *value)
{
	void *p = (char *)r + f->offset;
	int64_t number;

	if (!value)
		return !f->required;
	if (f->type == FIELD_STRING) {
		if (!json_object_is_type(value, json_type_string))
			return false;
		*(char **)p = xstrdup(json_object_get_string(value));
		return true;
	}
	if (f->type == FIELD_BOOL) {
		if (!json_object_is_type(value, json_type_boolean))
			return false;
		*(bool *)p = json_object_get_boolean(value);
		return true;
	}
	if (!json_object_is_type(value, json_type_int))
		return false;
	number = json_object_get_int64(value);
	if (number < 0 || (f->type == FIELD_U16 && number > UINT16_MAX) ||
	    (f->type == FIELD_U32 && number > UINT32_MAX) || (f->type == FIELD_PID && number > INT32_MAX))
		return false;
	if (f->type == FIELD_U16)
		*(uint16_t *)p = (uint16_t)number;
	else if (f->type == FIELD_U32)
		*(uint32_t *)p = (uint32_t)number;
	else if (f->type == FIELD_PID)
		*(pid_t *)p = (pid_t)number;
	else
		*(uint64_t *)p = (uint64_t)number;
	return true;
}

struct err *vm_record_parse(const char *text, size_t len, struct vm_record **ret)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = xcalloc(1, sizeof(*r));
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object = len < RECORD_MAX ? json_tokener_parse_ex(tokener, text, (int)len) : NULL;
	const char *bad = NULL;

	json_tokener_free(tokener);
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return err_create(ERR_BAD_DATA, "the record of the VM is not a JSON object");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields) && !bad; i++) {
		struct json_object *value = NULL;

		json_object_object_get_ex(object, fields[i].name, &value);
		if (!field_from_json(r, &fields[i], value))
			bad = fields[i].name;
	}
	json_object_put(object);
	if (bad)
		return err_create(ERR_BAD_DATA, "the record of the VM has no proper '%s'", bad);
	*ret = steal(&r);
	return NULL;
}

/* A folder that is ours alone: whoever else could write there could put sockets of its own into it. */
static struct err *check_private(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_os(errno, "look at %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return err_create(ERR_USAGE,
				  "%s is not a private folder of this user (mode 0700); remove it, or set "
				  "XDG_RUNTIME_DIR to a folder that is",
				  path);
	return NULL;
}

static struct err *rundir_root(char **ret)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
	_cleanup_(free) char *root = NULL;

	if (xdg && *xdg == '/')
		root = xasprintf("%s/ktb", xdg);
	else
		root = xasprintf("%s/ktb-%u", tmp && *tmp == '/' ? tmp : "/tmp", geteuid());
	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return err_append(err_os(errno, "create folder %s", root),
				  "; set XDG_RUNTIME_DIR to a folder of yours");
	TRY(check_private(root));
	*ret = steal(&root);
	return NULL;
}

static struct err *check_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!*name || *name == '.' || *name == '-' || strlen(name) > NAME_MAX_LEN ||
	    strspn(name, allowed) != strlen(name))
		return err_create(ERR_USAGE,
				  "'%s' can't be the name of a VM: letters, digits, '_', '-' and '.', at most %d, "
				  "and a letter or digit first",
				  name, NAME_MAX_LEN);
	return NULL;
}

static struct err *lock_root(const char *root, int *ret)
{
	_cleanup_(free) char *path = xasprintf("%s/.lock", root);

	return lock_file(path, false, NULL, NULL, ret);
}

/*
 * Takes the lock of a VM's folder if nobody has it. *ret is -1 if a live VM does, or if the folder has no lock (it is
 * no VM's then, and gone with the next sweep).
 */
static struct err *try_lock(const char *dir, int *ret)
{
	_cleanup_(free) char *path = xasprintf("%s/lock", dir);
	struct err *e = lock_file(path, true, NULL, NULL, ret);

	if (e && err_errno(e) == EWOULDBLOCK) {
		err_destroy(e);
		*ret = -1;
		return NULL;
	}
	return e;
}

/* Removes the folders of VMs that are gone. Called under the root's lock. */
static struct err *sweep(const char *root)
{
	_cleanup_(closedir) DIR *dir = opendir(root);

	if (!dir)
		return err_os(errno, "read %s", root);
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *path = xasprintf("%s/%s", root, d->d_name);
		_cleanup_(close) int lock_fd = -1;

		if (*d->d_name == '.' || !is_directory(path))
			continue;
		TRY(try_lock(path, &lock_fd));
		if (lock_fd < 0)
			continue;
		log_debug("sweeping %s: its VM is gone", path);
		TRY(remove_tree(path));
	}
	return NULL;
}

static struct err *name_taken(const char *name)
{
	return err_create(ERR_USAGE,
			  "a VM named '%s' runs already; give this one another name with --name, or end that one with: "
			  "ktb stop %s",
			  name, name);
}

struct err *rundir_check_name(const char *name)
{
	_cleanup_(close) int root_lock = -1;
	_cleanup_(free) char *root = NULL, *path = NULL;

	TRY(check_name(name));
	TRY(rundir_root(&root));
	TRY(lock_root(root, &root_lock));
	TRY(sweep(root));
	path = xasprintf("%s/%s", root, name);
	return file_exists(path) ? name_taken(name) : NULL;
}

static struct err *make_folder(struct rundir *d, const char *name)
{
	if (mkdir(d->path, 0700) < 0) {
		if (errno != EEXIST)
			return err_os(errno, "create folder %s", d->path);
		return name_taken(name);
	}
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return err_os(errno, "open folder %s", d->path);
	TRY(try_lock(d->path, &d->lock_fd));
	if (d->lock_fd < 0)
		return err_create(ERR_OS, "%s is locked by another process", d->path);
	return NULL;
}

struct err *rundir_create(const char *name, struct rundir **ret)
{
	struct rundir *d;
	_cleanup_(close) int root_lock = -1;
	_cleanup_(free) char *root = NULL;
	struct err *e;

	TRY(check_name(name));
	TRY(rundir_root(&root));
	TRY(lock_root(root, &root_lock));
	TRY(sweep(root));
	d = xcalloc(1, sizeof(*d));
	d->fd = d->lock_fd = -1;
	d->path = xasprintf("%s/%s", root, name);
	d->root = steal(&root);
	e = make_folder(d, name);
	if (e) {
		/* Not ours to remove unless we hold its lock. */
		if (d->lock_fd < 0) {
			rundir_forget(d);
			return e;
		}
		close(steal_fd(&root_lock));
		rundir_destroy(d);
		return e;
	}
	*ret = d;
	return NULL;
}

void rundir_forget(struct rundir *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d->root);
	free(d->path);
	free(d);
}

void rundir_destroy(struct rundir *d)
{
	_cleanup_(close) int root_lock = -1;

	if (!d)
		return;
	err_ignore(lock_root(d->root, &root_lock));
	struct err *e = remove_tree(d->path);

	if (e)
		log_warn("%s", err_message(e));
	err_destroy(e);
	rundir_forget(d);
}

const char *rundir_path(const struct rundir *d)
{
	return d->path;
}

int rundir_fd(const struct rundir *d)
{
	return d->fd;
}

void rundir_all_fds(const struct rundir *d, int ret[RUNDIR_FDS])
{
	ret[0] = d->fd;
	ret[1] = d->lock_fd;
}

struct err *rundir_write_record(const struct rundir *d, const struct vm_record *r)
{
	_cleanup_(free) char *path = xasprintf("%s/state.json", d->path);
	_cleanup_(free) char *text = vm_record_format(r);

	return write_file_atomic(path, text, strlen(text), 0600);
}

/* NULL in *ret if the VM is still starting: it has no record yet. */
static struct err *read_record(const char *dir, struct vm_record **ret)
{
	_cleanup_(free) char *path = xasprintf("%s/state.json", dir);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	*ret = NULL;
	if (!file_exists(path))
		return NULL;
	TRY(read_file(path, RECORD_MAX, &b));
	return err_wrap(vm_record_parse(buf_str(&b), b.len, ret), "%s", path);
}

static int compare_records(const void *a, const void *b)
{
	return strcmp((*(struct vm_record *const *)a)->name, (*(struct vm_record *const *)b)->name);
}

struct record_list {
	struct vm_record **v;
	size_t n;
};

static void record_list_deinit(struct record_list *l)
{
	rundir_free_list(l->v, l->n);
}
DEFINE_CLEANUP_STORAGE(struct record_list, record_list_deinit);

static struct err *read_all(const char *root, struct record_list *list)
{
	_cleanup_(closedir) DIR *dir = opendir(root);

	if (!dir)
		return err_os(errno, "read %s", root);
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *path = xasprintf("%s/%s", root, d->d_name);
		struct vm_record *r = NULL;
		struct err *e;

		if (*d->d_name == '.' || !is_directory(path))
			continue;
		e = read_record(path, &r);
		if (e) {
			/* One broken record must not hide the others. */
			log_warn("%s", err_message(e));
			err_destroy(e);
			continue;
		}
		if (!r)
			continue;
		list->v = xreallocarray(list->v, list->n + 1, sizeof(struct vm_record *));
		list->v[list->n++] = r;
	}
	return NULL;
}

struct err *rundir_list(struct vm_record ***ret, size_t *ret_n)
{
	_cleanup_(record_list_deinit) struct record_list list = { NULL, 0 };
	_cleanup_(close) int root_lock = -1;
	_cleanup_(free) char *root = NULL;

	TRY(rundir_root(&root));
	TRY(lock_root(root, &root_lock));
	TRY(sweep(root));
	TRY(read_all(root, &list));
	if (list.n)
		qsort(list.v, list.n, sizeof(struct vm_record *), compare_records);
	*ret = list.v;
	*ret_n = list.n;
	list = (struct record_list){ NULL, 0 };
	return NULL;
}

void rundir_free_list(struct vm_record **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vm_record_destroy(list[i]);
	free(list);
}

static char *join_names(struct vm_record *const *list, size_t n)
{
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;

	for (size_t i = 0; i < n; i++)
		strv_add(&names, list[i]->name);
	return strv_join(&names, ", ");
}

struct err *rundir_find(const char *name, struct vm_record **ret)
{
	_cleanup_(record_list_deinit) struct record_list list = { NULL, 0 };
	_cleanup_(free) char *names = NULL;

	TRY(rundir_list(&list.v, &list.n));
	names = join_names(list.v, list.n);
	if (!list.n)
		return err_create(ERR_NOT_FOUND, "no VM runs; start one with: ktb vm");
	if (!name && list.n > 1)
		return err_create(ERR_USAGE, "several VMs run (%s); say which one with --name", names);
	for (size_t i = 0; i < list.n; i++) {
		if (name && !streq(list.v[i]->name, name))
			continue;
		*ret = steal(&list.v[i]);
		return NULL;
	}
	return err_create(ERR_NOT_FOUND, "no VM named '%s' runs; these do: %s", name, names);
}

struct err *rundir_wait_gone(const struct vm_record *r)
{
	_cleanup_(free) char *path = xasprintf("%s/lock", r->dir);
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t deadline = now_ns() + GONE_TIMEOUT_MS * NSEC_PER_MSEC;

	if (fd < 0)
		return errno == ENOENT ? NULL : err_os(errno, "open %s", path);
	while (flock(fd, LOCK_SH | LOCK_NB) < 0) {
		const struct timespec moment = { .tv_nsec = 5000000 };

		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_os(errno, "wait for the end of VM '%s'", r->name);
		if (now_ns() > deadline)
			return err_create(ERR_TIMEOUT, "the supervisor of VM '%s' (process %d) does not end", r->name,
					  (int)r->pid);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

struct err *rundir_connect(const struct vm_record *r, const char *socket_name, int *ret)
{
	_cleanup_(close) int dir = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_create(ERR_CLOSED, "the VM '%s' is gone", r->name);
	return err_wrap(sock_connect_at(dir, socket_name, ret), "VM '%s'", r->name);
}
