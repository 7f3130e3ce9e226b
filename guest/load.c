#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

enum { MODULE_MAX = 512 << 20, MESSAGES_MAX = 200 };

/* The whole module; NULL with errno set. */
static char *read_module(int fd, size_t *ret_size)
{
	size_t size = 0, room = 0;
	char *data = NULL;

	for (;;) {
		ssize_t n;

		if (size == room) {
			char *bigger = room < MODULE_MAX ? realloc(data, room + (1 << 20)) : NULL;

			if (!bigger) {
				free(data);
				errno = room < MODULE_MAX ? ENOMEM : EFBIG;
				return NULL;
			}
			data = bigger;
			room += 1 << 20;
		}
		n = read(fd, data + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	*ret_size = size;
	return data;
}

/* Documentation/ABI/testing/dev-kmsg: "level,number,time,flags;text", further lines with a space in front. */
static void copy_messages(int kmsg, int out)
{
	for (int i = 0; i < MESSAGES_MAX; i++) {
		char record[8192], *text, *end;
		ssize_t n = read(kmsg, record, sizeof(record) - 1);

		/* Messages were lost: the next ones are there. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return;
		record[n] = '\0';
		text = strchr(record, ';');
		end = text ? strchr(text, '\n') : NULL;
		if (end)
			(void)!write(out, text + 1, (size_t)(end - text));
	}
}

int load_module(int in_fd, const char *parameters, int out_fd)
{
	_cleanup_(close) int kmsg = -1;
	size_t size;
	char *data = read_module(in_fd, &size);
	int error = 0;

	if (!data)
		return errno;
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	if (syscall(SYS_init_module, data, size, parameters) < 0)
		error = errno;
	free(data);
	if (kmsg >= 0)
		copy_messages(kmsg, out_fd);
	return error;
}
