/*
 * Theory of operation
 *
 * Every name is one part of a path, checked, and used below the descriptor of its folder; no link is followed, but in
 * the destination itself, which is the user's word. So nothing that comes can land anywhere else. A folder that could not
 * be made has no descriptor, and what is in it is read and dropped.
 *
 * A file is written under a name of its own, and renamed when it is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer_util.h"

struct level {
	/* -1: what is in it is dropped. */
	int fd;
	/* It was not there before: mode and time are set when all is in it. */
	bool made;
	uint32_t mode;
	struct timespec mtime;
};

struct receiver {
	const struct transfer_receive *params;
	const struct transfer_callbacks *callbacks;
	struct level levels[TRANSFER_DEPTH_MAX + 1];
	/* Index of the folder that we are in; 0 is the destination. */
	size_t depth;
	/* What the one thing is called; "": as it comes. */
	char rename[TRANSFER_NAME_MAX + 1];
	/* How many things have come, and up to which name. */
	size_t things, names_used;
	struct transfer_path path;
	bool incomplete, aborted, done;
	/* The file that is being written. */
	int file;
	bool in_file;
	char temporary[32];
	struct transfer_entry entry;
	uint64_t bytes;
	uint8_t frame[KTB_FRAME_HEADER + KTB_FRAME_PAYLOAD_MAX];
};

static struct level *here(struct receiver *r)
{
	return &r->levels[r->depth];
}

static void leave_out(struct receiver *r, const char *what)
{
	r->incomplete = true;
	transfer_report(r->callbacks, "can't %s %s: %m", what, r->path.text);
	/* More of it would fail as well. */
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EROFS)
		r->aborted = true;
}

static void refuse(struct receiver *r, const char *why)
{
	r->incomplete = r->aborted = true;
	transfer_report(r->callbacks, "refused what came: %s", why);
}

/* --- Where it goes --- */

static bool open_destination(struct receiver *r, const char *folder)
{
	here(r)->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (here(r)->fd >= 0)
		return true;
	transfer_report(r->callbacks, "can't open folder %s: %m", folder);
	return false;
}

/* The folder of the file or folder that is to be made, and its name in it. */
static bool split_destination(struct receiver *r, const char *dest)
{
	char path[PATH_MAX], *slash;

	if ((size_t)snprintf(path, sizeof(path), "%s", dest) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		transfer_report(r->callbacks, "can't use %s: %m", dest);
		return false;
	}
	slash = strrchr(path, '/');
	if (strlen(slash ? slash + 1 : path) > NAME_MAX) {
		errno = ENAMETOOLONG;
		transfer_report(r->callbacks, "can't use %s: %m", dest);
		return false;
	}
	snprintf(r->rename, sizeof(r->rename), "%.*s", TRANSFER_NAME_MAX, slash ? slash + 1 : path);
	if (slash)
		slash[1] = '\0';
	transfer_path_push(&r->path, slash ? path : "");
	return open_destination(r, slash ? path : ".");
}

static bool find_destination(struct receiver *r)
{
	const char *dest = r->params->dest;
	char real[PATH_MAX];
	struct stat st;
	bool there = stat(dest, &st) == 0;
	size_t n = strlen(dest);

	if (there && S_ISDIR(st.st_mode)) {
		transfer_path_push(&r->path, dest);
		return open_destination(r, dest);
	}
	if (r->params->into || !n || dest[n - 1] == '/') {
		if (there)
			errno = ENOTDIR;
		transfer_report(r->callbacks, "can't put anything into %s: %m", dest);
		return false;
	}
	/* The file that a link leads to is written, not the link. */
	if (there && realpath(dest, real))
		dest = real;
	return split_destination(r, dest);
}

/* What comes first in the destination has to be what was asked for. */
static bool name_is_wanted(struct receiver *r)
{
	if (r->depth)
		return true;
	if (*r->rename && r->things++) {
		refuse(r, "more than one thing, and the destination is no folder");
		return false;
	}
	if (r->params->names) {
		while (r->names_used < r->params->names_n &&
		       strcmp(r->params->names[r->names_used], r->entry.name) != 0)
			r->names_used++;
		if (r->names_used++ >= r->params->names_n) {
			refuse(r, "something that was not asked for");
			return false;
		}
	}
	if (*r->rename)
		memcpy(r->entry.name, r->rename, sizeof(r->rename));
	return true;
}

/* --- Folders and links --- */

static void enter_folder(struct receiver *r)
{
	struct level *parent = here(r), *level;
	struct stat st;

	if (r->depth + 1 >= TRANSFER_DEPTH_MAX) {
		refuse(r, "folders too deep inside of each other");
		return;
	}
	level = &r->levels[++r->depth];
	*level = (struct level){
		.fd = -1,
		.mode = r->entry.mode & r->params->mode_mask,
		.mtime = { .tv_sec = r->entry.mtime, .tv_nsec = r->entry.mtime_ns },
	};
	if (parent->fd < 0)
		return;
	level->made = mkdirat(parent->fd, r->entry.name, 0700) == 0;
	if (!level->made && errno == EEXIST && fstatat(parent->fd, r->entry.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (level->made || errno == EEXIST)
		level->fd = openat(parent->fd, r->entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (level->fd < 0)
		leave_out(r, "make folder");
}

static void leave_folder(struct receiver *r)
{
	struct level *level = here(r);

	if (!r->depth) {
		refuse(r, "the end of a folder that never began");
		return;
	}
	if (level->fd >= 0) {
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, level->mtime };

		if (level->made && (futimens(level->fd, times) < 0 || fchmod(level->fd, level->mode) < 0))
			leave_out(r, "set mode and time of");
		close(level->fd);
		level->fd = -1;
	}
	r->depth--;
	transfer_path_pop(&r->path);
}

static void make_link(struct receiver *r)
{
	struct level *level = here(r);
	struct stat st;

	if (level->fd < 0)
		return;
	if (r->params->contain_links && (!r->depth || !transfer_link_is_inside(r->entry.target, r->depth - 1))) {
		transfer_report(r->callbacks, "left out: %s is a link that leads outside, to %s", r->path.text,
				r->entry.target);
		return;
	}
	/* One that is there is replaced, and so is a file; a folder is not. */
	if (fstatat(level->fd, r->entry.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		unlinkat(level->fd, r->entry.name, 0);
	if (symlinkat(r->entry.target, level->fd, r->entry.name) < 0)
		leave_out(r, "make link");
}

/* --- Files --- */

static void begin_file(struct receiver *r)
{
	uint64_t number;

	r->in_file = true;
	if (here(r)->fd < 0)
		return;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint64_t)getpid();
	snprintf(r->temporary, sizeof(r->temporary), ".ktb-%016llx", (unsigned long long)number);
	r->file = openat(here(r)->fd, r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->file < 0)
		leave_out(r, "make");
}

static void drop_file(struct receiver *r)
{
	if (r->file < 0)
		return;
	close(r->file);
	r->file = -1;
	unlinkat(here(r)->fd, r->temporary, 0);
}

static void write_file(struct receiver *r, const struct frame *f)
{
	if (!r->in_file) {
		refuse(r, "data of no file");
		return;
	}
	r->bytes += f->length;
	if (r->callbacks->progress)
		r->callbacks->progress(r->bytes, r->entry.name, r->entry.size, r->callbacks->user);
	if (r->file >= 0 && !transfer_write(r->file, f->payload, f->length)) {
		leave_out(r, "write");
		drop_file(r);
	}
}

static void finish_file(struct receiver *r, const struct frame *f)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = r->entry.mtime, .tv_nsec = r->entry.mtime_ns } };
	uint32_t error;

	if (!r->in_file || !frame_get_number(f, &error)) {
		refuse(r, "the end of a file that never began");
		return;
	}
	r->in_file = false;
	if (error)
		r->incomplete = true;
	if (r->file >= 0 && !error) {
		if (futimens(r->file, times) < 0 || fchmod(r->file, r->entry.mode & r->params->mode_mask) < 0) {
			leave_out(r, "set mode and time of");
		} else if (renameat(here(r)->fd, r->temporary, here(r)->fd, r->entry.name) < 0) {
			leave_out(r, "put in place");
		} else {
			close(r->file);
			r->file = -1;
		}
	}
	drop_file(r);
	transfer_path_pop(&r->path);
}

/* --- The stream --- */

static void take_entry(struct receiver *r, const struct frame *f)
{
	if (r->in_file || !transfer_get_entry(f, &r->entry)) {
		refuse(r, "a name that can't be one");
		return;
	}
	if (!name_is_wanted(r))
		return;
	transfer_path_push(&r->path, r->entry.name);
	if (f->type == TRANSFER_FILE) {
		begin_file(r);
	} else if (f->type == TRANSFER_FOLDER) {
		enter_folder(r);
	} else {
		make_link(r);
		transfer_path_pop(&r->path);
	}
}

static void take(struct receiver *r, const struct frame *f)
{
	switch (f->type) {
	case TRANSFER_FILE:
	case TRANSFER_FOLDER:
	case TRANSFER_LINK:
		take_entry(r, f);
		break;
	case TRANSFER_DATA:
		write_file(r, f);
		break;
	case TRANSFER_FILE_END:
		finish_file(r, f);
		break;
	case TRANSFER_LEAVE:
		leave_folder(r);
		break;
	case TRANSFER_DONE:
		if (r->in_file || r->depth)
			refuse(r, "an end before its time");
		else
			r->done = true;
		break;
	default:
		refuse(r, "nothing that is known here");
	}
}

static bool read_frame(struct receiver *r, struct frame *ret)
{
	if (!transfer_read(r->params->in_fd, r->frame, KTB_FRAME_HEADER))
		return false;
	switch (frame_parse(r->frame, KTB_FRAME_HEADER, ret)) {
	case FRAME_COMPLETE:
		return true;
	case FRAME_TOO_LONG:
		refuse(r, "no frame");
		return false;
	case FRAME_PARTIAL:
		break;
	}
	ret->length = r->frame[0] | (uint32_t)r->frame[1] << 8 | (uint32_t)r->frame[2] << 16;
	return transfer_read(r->params->in_fd, r->frame + KTB_FRAME_HEADER, ret->length) &&
	       frame_parse(r->frame, KTB_FRAME_HEADER + ret->length, ret) == FRAME_COMPLETE;
}

bool transfer_receive(const struct transfer_receive *receive, const struct transfer_callbacks *callbacks)
{
	static struct receiver r;
	struct frame f;

	memset(&r, 0, sizeof(r));
	r.params = receive;
	r.callbacks = callbacks;
	r.file = r.levels[0].fd = -1;
	if (!find_destination(&r))
		return false;
	while (!r.aborted && !r.done && read_frame(&r, &f))
		take(&r, &f);
	if (!r.done && !r.incomplete)
		transfer_report(callbacks, "cut off before the end%s%s", r.in_file ? ", in " : "",
				r.in_file ? r.path.text : "");
	drop_file(&r);
	for (size_t i = 0; i <= r.depth; i++) {
		if (r.levels[i].fd >= 0)
			close(r.levels[i].fd);
	}
	return r.done && !r.incomplete;
}
