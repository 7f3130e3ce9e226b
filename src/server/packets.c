/*
 * The table of packets, what their answers have in common, and the packets that read and write registers and memory.
 */
#include "server/session_private.h"

#include "base/util.h"

/* --- Replies --- */

struct err *packet_malformed(void)
{
	return err_create(ERR_BAD_DATA, "the packet is malformed");
}

struct err *packet_ok(struct session *s)
{
	buf_puts(&s->reply, "OK");
	return NULL;
}

/* The one place where an error becomes a number of the protocol. Clients only show them; these are errno's. */
static unsigned int error_number(enum err_code code)
{
	switch (code) {
	case ERR_FAULT:
		return 14; /* EFAULT */
	case ERR_NOT_FOUND:
		return 2; /* ENOENT */
	case ERR_BAD_DATA:
	case ERR_USAGE:
		return 22; /* EINVAL */
	case ERR_TIMEOUT:
		return 110; /* ETIMEDOUT */
	case ERR_CLOSED:
		return 32; /* EPIPE */
	case ERR_UNSUPPORTED:
	case ERR_PREREQ:
		return 95; /* EOPNOTSUPP */
	case ERR_OS:
		break;
	}
	return 5; /* EIO */
}

/* GDB undoes no escapes in the text of an error, so nothing that needs them may be in it; nor is it made for lines. */
static void put_error_text(struct buf *b, const char *text)
{
	buf_puts(b, "E.");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		buf_putc(b, c < 0x20 || c == 0x7f ? ' ' : rsp_encoded_size(*text) > 1 ? '_' : *text);
	}
}

static void put_error(struct session *s, unsigned int flags, const struct err *e)
{
	buf_clear(&s->reply);
	if (s->knows_error_text || (s->is_gdb && flags & PACKET_TEXT))
		put_error_text(&s->reply, err_message(e));
	else
		buf_printf(&s->reply, "E%02x", error_number(err_code(e)));
}

/* --- The table --- */

static const struct packet_type *const tables[] = {
	packets_of_memory, packets_of_running, packets_of_breakpoints, packets_of_queries, packets_of_objects,
};

static const struct packet_type *find(const struct rsp_reader *packet, struct rsp_reader *ret_args)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct packet_type *type = tables[i]; type->name; type++) {
			struct rsp_reader args = *packet;

			if (!rsp_read_text(&args, type->name) || (type->flags & PACKET_WHOLE && !rsp_at_end(&args)))
				continue;
			*ret_args = args;
			return type;
		}
	}
	return NULL;
}

void packets_take(struct session *s, struct rsp_reader packet)
{
	struct rsp_reader args;
	const struct packet_type *type = find(&packet, &args);
	_cleanup_(err_destroy) struct err *e = NULL;

	buf_clear(&s->reply);
	s->quiet = false;
	if (type)
		e = type->handler(s, args);
	if (e)
		put_error(s, type->flags, e);
	if (!s->quiet || e)
		err_ignore(rsp_conn_send(s->conn, buf_str(&s->reply), s->reply.len));
	if (e && err_code(e) == ERR_CLOSED)
		session_target_gone(s, steal(&e));
}

/* --- Threads --- */

struct err *packet_thread(struct session *s, struct rsp_thread id, uint32_t *ret)
{
	if (id.tid == RSP_ANY || id.tid == RSP_ALL) {
		*ret = s->thread;
		return NULL;
	}
	if (id.tid < 0 || id.tid > UINT32_MAX || !target_has_thread(s->target, (uint32_t)id.tid))
		return err_create(ERR_NOT_FOUND, "there is no thread %llx", (unsigned long long)id.tid);
	*ret = (uint32_t)id.tid;
	return NULL;
}

static struct err *on_set_thread(struct session *s, struct rsp_reader args)
{
	struct rsp_thread id;
	uint32_t thread;

	if (!rsp_read_thread(&args, &id) || !rsp_at_end(&args))
		return packet_malformed();
	TRY(packet_thread(s, id, &thread));
	s->thread = thread;
	return packet_ok(s);
}

static struct err *on_set_running_thread(struct session *s, struct rsp_reader args)
{
	struct rsp_thread id;
	uint32_t thread;

	if (!rsp_read_thread(&args, &id) || !rsp_at_end(&args))
		return packet_malformed();
	TRY(packet_thread(s, id, &thread));
	s->resumed_thread = id.tid == RSP_ANY || id.tid == RSP_ALL ? 0 : thread;
	return packet_ok(s);
}

static struct err *on_thread_alive(struct session *s, struct rsp_reader args)
{
	struct rsp_thread id;
	uint32_t thread;

	if (!rsp_read_thread(&args, &id) || !rsp_at_end(&args))
		return packet_malformed();
	TRY(packet_thread(s, id, &thread));
	return packet_ok(s);
}

/* --- Registers --- */

/* What is not known has an x for each digit. */
static struct err *on_read_registers(struct session *s, struct rsp_reader args)
{
	_cleanup_(buf_deinit) struct buf known = BUF_INIT;
	size_t first = s->reply.len;

	(void)args;
	buf_clear(&s->scratch);
	TRY(target_read_registers(s->target, s->thread, &s->scratch));
	TRY(target_known_registers(s->target, s->thread, &known));
	rsp_put_hex_bytes(&s->reply, buf_str(&s->scratch), s->scratch.len);
	for (size_t i = 0; i < MIN(known.len, s->scratch.len); i++) {
		if (!known.data[i])
			memset(s->reply.data + first + 2 * i, 'x', 2);
	}
	return NULL;
}

static struct err *on_write_registers(struct session *s, struct rsp_reader args)
{
	buf_clear(&s->scratch);
	if (!rsp_read_hex_data(&args, TARGET_REGISTERS_MAX, &s->scratch) || !rsp_at_end(&args) || !s->scratch.len)
		return packet_malformed();
	TRY(target_write_registers(s->target, s->thread, buf_str(&s->scratch), s->scratch.len));
	return packet_ok(s);
}

static struct err *on_read_register(struct session *s, struct rsp_reader args)
{
	uint64_t number;

	if (!rsp_read_hex(&args, &number) || number > UINT32_MAX || !rsp_at_end(&args))
		return packet_malformed();
	buf_clear(&s->scratch);
	TRY(target_read_register(s->target, s->thread, (unsigned int)number, &s->scratch));
	if (!s->scratch.len)
		buf_puts(&s->reply, "xx");
	rsp_put_hex_bytes(&s->reply, buf_str(&s->scratch), s->scratch.len);
	return NULL;
}

static struct err *on_write_register(struct session *s, struct rsp_reader args)
{
	uint64_t number;

	buf_clear(&s->scratch);
	if (!rsp_read_hex(&args, &number) || number > UINT32_MAX || !rsp_read_char(&args, '=') ||
	    !rsp_read_hex_data(&args, TARGET_REGISTERS_MAX, &s->scratch) || !rsp_at_end(&args) || !s->scratch.len)
		return packet_malformed();
	TRY(target_write_register(s->target, s->thread, (unsigned int)number, buf_str(&s->scratch), s->scratch.len));
	return packet_ok(s);
}

/* --- Memory --- */

/* As much as there is, and as fits into a reply in which a byte takes up so many. It is in s->scratch. */
static struct err *read_memory(struct session *s, struct rsp_reader *args, size_t reply_bytes)
{
	uint64_t address, wanted;
	size_t len, n = 0;

	if (!rsp_read_range(args, &address, &wanted) || !rsp_at_end(args))
		return packet_malformed();
	len = (size_t)MIN(wanted, SESSION_PACKET_MAX / reply_bytes);
	buf_clear(&s->scratch);
	if (!len)
		return NULL;
	TRY(target_read_memory(s->target, s->thread, address, buf_reserve(&s->scratch, len), len, &n));
	buf_commit(&s->scratch, MIN(n, len));
	return NULL;
}

static struct err *on_read_memory(struct session *s, struct rsp_reader args)
{
	TRY(read_memory(s, &args, 2));
	rsp_put_hex_bytes(&s->reply, buf_str(&s->scratch), s->scratch.len);
	return NULL;
}

/*
 * GDB 16 has this packet and wants a b in front, so that an error can be told from bytes. LLDB's has none; LLDBs that don't
 * know the other (up to 20) ask for 0 bytes first, and go without the packet where the answer is not OK.
 */
static struct err *on_read_binary(struct session *s, struct rsp_reader args)
{
	TRY(read_memory(s, &args, 1));
	buf_putc(&s->reply, 'b');
	rsp_put_binary(&s->reply, buf_str(&s->scratch), s->scratch.len, SESSION_PACKET_MAX);
	return NULL;
}

static struct err *write_memory(struct session *s, uint64_t address, const void *bytes, size_t len)
{
	if (len)
		TRY(target_write_memory(s->target, s->thread, address, bytes, len));
	return packet_ok(s);
}

static struct err *on_write_memory(struct session *s, struct rsp_reader args)
{
	uint64_t address, len;

	buf_clear(&s->scratch);
	if (!rsp_read_range(&args, &address, &len) || !rsp_read_char(&args, ':') ||
	    !rsp_read_hex_data(&args, SESSION_PACKET_MAX, &s->scratch) || !rsp_at_end(&args) || s->scratch.len != len)
		return packet_malformed();
	return write_memory(s, address, buf_str(&s->scratch), s->scratch.len);
}

static struct err *on_write_binary(struct session *s, struct rsp_reader args)
{
	uint64_t address, len;

	if (!rsp_read_range(&args, &address, &len) || !rsp_read_char(&args, ':') || rsp_left(&args) != len)
		return packet_malformed();
	return write_memory(s, address, args.p, (size_t)len);
}

const struct packet_type packets_of_memory[] = {
	{ "g", on_read_registers, PACKET_WHOLE | PACKET_TEXT },
	{ "G", on_write_registers, PACKET_TEXT },
	{ "p", on_read_register, PACKET_TEXT },
	{ "P", on_write_register, PACKET_TEXT },
	{ "m", on_read_memory, 0 },
	{ "x", on_read_binary, 0 },
	{ "M", on_write_memory, PACKET_TEXT },
	{ "X", on_write_binary, PACKET_TEXT },
	{ "Hg", on_set_thread, 0 },
	{ "Hc", on_set_running_thread, 0 },
	{ "T", on_thread_alive, 0 },
	{ NULL, NULL, 0 },
};
