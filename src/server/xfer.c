/*
 * Objects that the client reads in pieces: qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH.
 *
 * What is read from offset 0 on is made anew, and kept while its pieces are asked for, so that they are pieces of one thing,
 * whatever the guest does to its lists meanwhile.
 *
 * Sources: GDB's manual, nodes General Query Packets (qXfer), Library List Format, Thread List Format.
 */
#include "server/session_private.h"

#include <stdlib.h>

#include "base/util.h"

typedef struct err *(*object_maker)(struct session *s, const char *annex, struct buf *ret);

static struct err *make_description(struct session *s, const char *annex, struct buf *ret)
{
	return target_description(s->target, annex, ret);
}

static void put_xml_text(struct buf *b, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '"':
			buf_puts(b, "&quot;");
			break;
		default:
			/* Names come from the guest: what is no character of XML would lose the client the whole list. */
			buf_putc(b, (unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e ? '?' : *text);
		}
	}
}

static struct err *make_threads(struct session *s, const char *annex, struct buf *ret)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;

	(void)annex;
	TRY(target_threads(s->target, &threads));
	buf_puts(ret, "<?xml version=\"1.0\"?>\n<threads>\n");
	for (size_t i = 0; i < threads.n; i++) {
		const struct target_thread *t = &threads.v[i];

		buf_printf(ret, "<thread id=\"%x\"", t->id);
		if (t->core != UINT32_MAX)
			buf_printf(ret, " core=\"%u\"", t->core);
		buf_puts(ret, " name=\"");
		put_xml_text(ret, t->name);
		buf_puts(ret, "\"/>\n");
	}
	buf_puts(ret, "</threads>\n");
	return NULL;
}

static struct err *make_libraries(struct session *s, const char *annex, struct buf *ret)
{
	(void)annex;
	return target_libraries(s->target, s->is_lldb, ret);
}

static struct err *make_exec_file(struct session *s, const char *annex, struct buf *ret)
{
	(void)annex;
	return target_exec_file(s->target, ret);
}

static const struct {
	const char *name;
	object_maker make;
} objects[] = {
	{ "features", make_description },
	{ "threads", make_threads },
	{ "libraries", make_libraries },
	{ "exec-file", make_exec_file },
};

static struct err *make(struct session *s, object_maker maker, const char *key, const char *annex)
{
	struct xfer_cache *cache = &s->xfer;

	free(cache->key);
	cache->key = NULL;
	buf_clear(&cache->data);
	TRY(maker(s, annex, &cache->data));
	cache->key = xstrdup(key);
	return NULL;
}

static void put_piece(struct session *s, uint64_t offset, uint64_t length)
{
	const struct buf *data = &s->xfer.data;
	size_t begin = (size_t)MIN(offset, data->len);
	size_t wanted = (size_t)MIN(length, data->len - begin);
	size_t n;

	buf_putc(&s->reply, 'm');
	n = rsp_put_binary(&s->reply, buf_str(data) + begin, wanted, SESSION_PACKET_MAX - 1);
	if (begin + n == data->len)
		s->reply.data[0] = 'l';
}

static char *text_of(const struct rsp_reader *field)
{
	return xstrndup(field->p, rsp_left(field));
}

static struct err *on_read(struct session *s, struct rsp_reader args)
{
	struct rsp_reader whole = args, object, action, annex_field;
	_cleanup_(free) char *key = NULL, *annex = NULL;
	object_maker maker = NULL;
	uint64_t offset, length;

	if (!rsp_read_field(&args, ':', &object) || !rsp_read_field(&args, ':', &action) ||
	    !rsp_read_field(&args, ':', &annex_field))
		return packet_malformed();
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (rsp_rest_is(&object, objects[i].name))
			maker = objects[i].make;
	}
	if (!maker || !rsp_rest_is(&action, "read"))
		return NULL;
	key = xstrndup(whole.p, (size_t)(annex_field.end - whole.p));
	if (!rsp_read_range(&args, &offset, &length) || !rsp_at_end(&args))
		return packet_malformed();
	annex = text_of(&annex_field);
	if (!offset || !s->xfer.key || !streq(s->xfer.key, key))
		TRY(make(s, maker, key, annex));
	put_piece(s, offset, length);
	return NULL;
}

const struct packet_type packets_of_objects[] = {
	{ "qXfer:", on_read, 0 },
	{ NULL, NULL, 0 },
};
