#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer_util.h"

struct sender {
	int out;
	const struct transfer_callbacks *callbacks;
	struct transfer_path path;
	uint64_t bytes;
	/* Something was left out. */
	bool incomplete;
	/* Nobody reads any more. */
	bool broken;
	uint8_t frame[KTB_FRAME_HEADER + TRANSFER_DATA_MAX];
};

static void leave_out(struct sender *s, const char *why)
{
	s->incomplete = true;
	transfer_report(s->callbacks, "can't %s %s: %m", why, s->path.text);
}

static void put(struct sender *s, enum transfer_type type, size_t len)
{
	frame_put_header(s->frame, (uint32_t)len, (uint16_t)type, 0);
	if (!s->broken && !transfer_write(s->out, s->frame, KTB_FRAME_HEADER + len))
		s->broken = true;
}

static void put_entry(struct sender *s, enum transfer_type type, const char *name, const struct stat *st,
		      const char *target)
{
	struct transfer_entry e = {
		.mode = st->st_mode & 07777,
		.mtime = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.size = type == TRANSFER_FILE ? (uint64_t)st->st_size : 0,
	};
	uint8_t *p = s->frame + KTB_FRAME_HEADER;
	size_t len = 24, n = strlen(name);

	transfer_put_entry(p, &e);
	memcpy(p + len, name, n);
	len += n;
	if (target) {
		p[len++] = 0;
		n = strlen(target);
		memcpy(p + len, target, n);
		len += n;
	}
	put(s, type, len);
}

/* What is read is sent, whatever the size was said to be: files of proc say 0, others grow. */
static void send_content(struct sender *s, int fd, const char *name, uint64_t size)
{
	uint8_t *p = s->frame + KTB_FRAME_HEADER;
	uint32_t error = 0;

	while (!s->broken) {
		ssize_t n = read(fd, p, TRANSFER_DATA_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			error = (uint32_t)errno;
			leave_out(s, "read");
		}
		if (n <= 0)
			break;
		put(s, TRANSFER_DATA, (size_t)n);
		s->bytes += (uint64_t)n;
		if (s->callbacks->progress)
			s->callbacks->progress(s->bytes, name, size, s->callbacks->user);
	}
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(error >> 8 * i);
	put(s, TRANSFER_FILE_END, 4);
}

static void send_file(struct sender *s, int fd, const char *name, const struct stat *st)
{
	put_entry(s, TRANSFER_FILE, name, st, NULL);
	send_content(s, fd, name, (uint64_t)st->st_size);
}

static void send_link(struct sender *s, int dir, const char *file, const char *name, const struct stat *st)
{
	char target[sizeof(((struct transfer_entry *)0)->target)];
	ssize_t n = readlinkat(dir, file, target, sizeof(target));

	if (n >= (ssize_t)sizeof(target)) {
		n = -1;
		errno = ENAMETOOLONG;
	}
	if (n < 0) {
		leave_out(s, "read the link");
		return;
	}
	target[n] = '\0';
	put_entry(s, TRANSFER_LINK, name, st, target);
}

static void send_entry(struct sender *s, int dir, const char *file, const char *name, bool follow);

/* Takes fd. */
static void send_folder(struct sender *s, int fd, const char *name, const struct stat *st)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		leave_out(s, "open");
		close(fd);
		return;
	}
	put_entry(s, TRANSFER_FOLDER, name, st, NULL);
	while (!s->broken && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			send_entry(s, dirfd(dir), d->d_name, d->d_name, false);
	}
	closedir(dir);
	put(s, TRANSFER_LEAVE, 0);
}

static void send_opened(struct sender *s, int fd, const char *name)
{
	struct stat st;

	/* It may have become another one since it was looked at. */
	if (fstat(fd, &st) < 0) {
		leave_out(s, "look at");
	} else if (S_ISREG(st.st_mode)) {
		send_file(s, fd, name, &st);
	} else if (S_ISDIR(st.st_mode)) {
		send_folder(s, fd, name, &st);
		return;
	}
	close(fd);
}

static void send_entry(struct sender *s, int dir, const char *file, const char *name, bool follow)
{
	struct stat st;
	int fd;

	transfer_path_push(&s->path, file);
	if (s->path.depth > TRANSFER_DEPTH_MAX) {
		errno = ELOOP;
		leave_out(s, "go deeper than");
	} else if (fstatat(dir, file, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) {
		leave_out(s, "look at");
	} else if (S_ISLNK(st.st_mode)) {
		send_link(s, dir, file, name, &st);
	} else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		/* By name it was asked for; in a folder such are common. */
		s->incomplete |= follow;
		transfer_report(s->callbacks, "%s is neither a file nor a folder, and is left out", s->path.text);
	} else {
		fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW));
		if (fd < 0)
			leave_out(s, "open");
		else
			send_opened(s, fd, name);
	}
	transfer_path_pop(&s->path);
}

bool transfer_send(int out_fd, char *const *paths, size_t paths_n, const struct transfer_callbacks *callbacks)
{
	static struct sender s;

	memset(&s, 0, sizeof(s));
	s.out = out_fd;
	s.callbacks = callbacks;
	for (size_t i = 0; i < paths_n && !s.broken; i++) {
		char name[TRANSFER_NAME_MAX + 1];

		if (transfer_last_part(paths[i], name)) {
			send_entry(&s, AT_FDCWD, paths[i], name, true);
		} else {
			s.incomplete = true;
			transfer_report(callbacks, "%s has no name that a copy could have", paths[i]);
		}
	}
	put(&s, TRANSFER_DONE, 0);
	return !s.incomplete && !s.broken;
}
