#include "transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transfer_util.h"

/* --- The records. Pure --- */

enum { ENTRY_HEAD = 24 };

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static bool name_is_good(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX && !memchr(name, '/', len) && !memchr(name, '\0', len) &&
	       !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

bool transfer_get_entry(const struct frame *f, struct transfer_entry *ret)
{
	const char *name = (const char *)f->payload + ENTRY_HEAD, *zero;
	size_t len, target = 0;

	if (f->length < ENTRY_HEAD)
		return false;
	len = f->length - ENTRY_HEAD;
	if (f->type == TRANSFER_LINK) {
		zero = memchr(name, '\0', len);
		if (!zero)
			return false;
		target = len - (size_t)(zero + 1 - name);
		len = (size_t)(zero - name);
		if (!target || target >= sizeof(ret->target) || memchr(zero + 1, '\0', target))
			return false;
	}
	if (!name_is_good(name, len))
		return false;
	ret->mode = get_u32(f->payload) & 07777;
	ret->mtime = (int64_t)get_u64(f->payload + 4);
	ret->mtime_ns = get_u32(f->payload + 12);
	ret->size = get_u64(f->payload + 16);
	if (ret->mtime_ns > 999999999)
		return false;
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
	if (target)
		memcpy(ret->target, name + len + 1, target);
	ret->target[target] = '\0';
	return true;
}

bool transfer_link_is_inside(const char *target, size_t depth)
{
	if (*target == '/')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		/* Behind a name, .. need not be where one came from: that may be a link itself. */
		if (n == 2 && target[0] == '.' && target[1] == '.') {
			if (!depth)
				return false;
			depth--;
		} else if (n && !(n == 1 && *target == '.')) {
			return !strstr(target, "..");
		}
		target += n;
		target += *target == '/';
	}
	return true;
}

void transfer_put_entry(uint8_t *p, const struct transfer_entry *e)
{
	const uint64_t words[] = { e->mode | (uint64_t)e->mtime << 32,
				   (uint64_t)e->mtime >> 32 | (uint64_t)e->mtime_ns << 32, e->size };

	for (size_t i = 0; i < sizeof(words); i++)
		p[i] = (uint8_t)(words[i / 8] >> i % 8 * 8);
}

bool transfer_last_part(const char *path, char ret[static TRANSFER_NAME_MAX + 1])
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	start = end;
	while (start && path[start - 1] != '/')
		start--;
	if (!name_is_good(path + start, end - start))
		return false;
	memcpy(ret, path + start, end - start);
	ret[end - start] = '\0';
	return true;
}

/* --- What both directions need --- */

void transfer_report(const struct transfer_callbacks *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->report(text, c->user);
}

bool transfer_read(int fd, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool transfer_write(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

void transfer_path_push(struct transfer_path *p, const char *name)
{
	size_t n = strlen(p->text);

	if (p->depth < sizeof(p->ends) / sizeof(p->ends[0]))
		p->ends[p->depth] = n;
	p->depth++;
	snprintf(p->text + n, sizeof(p->text) - n, "%s%s", n && p->text[n - 1] != '/' ? "/" : "", name);
}

void transfer_path_pop(struct transfer_path *p)
{
	p->depth--;
	if (p->depth < sizeof(p->ends) / sizeof(p->ends[0]))
		p->text[p->ends[p->depth]] = '\0';
}
