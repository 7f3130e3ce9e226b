/*
 * The general queries: what each side can do, threads, the monitor, trace variables.
 */
#include "server/session_private.h"

#include "base/util.h"

enum { COMMAND_MAX = 4096 };

/* --- What each side can do --- */

/* Whether it is worth asking. That it can be answered nobody knows before. */
#define TARGET_HAS(t, operation)                                                                                       \
	({                                                                                                             \
		const struct target *has_ = (t);                                                                       \
		while (has_ && !has_->ops->operation)                                                                  \
			has_ = has_->beneath;                                                                          \
		has_ != NULL;                                                                                          \
	})

static void put_features(struct session *s)
{
	/* Not among them: multiprocess, which there is no use for, and a memory map, beyond which GDB would read nothing. */
	buf_printf(&s->reply,
		   "PacketSize=%x;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+;qXfer:features:read+;"
		   "qXfer:threads:read+;ConditionalBreakpoints+;BreakpointCommands+;binary-upload+",
		   SESSION_PACKET_MAX);
	if (TARGET_HAS(s->target, exec_file))
		buf_puts(&s->reply, ";qXfer:exec-file:read+");
	if (TARGET_HAS(s->target, libraries))
		buf_puts(&s->reply, ";qXfer:libraries:read+");
	if (s->knows_error_text)
		buf_puts(&s->reply, ";error-message+");
}

static struct err *on_supported(struct session *s, struct rsp_reader args)
{
	struct rsp_reader feature;

	s->knows_swbreak = s->knows_hwbreak = s->knows_error_text = s->is_gdb = s->is_lldb = false;
	if (!rsp_read_char(&args, ':') && !rsp_at_end(&args))
		return NULL;
	while (rsp_read_field(&args, ';', &feature)) {
		s->knows_swbreak |= rsp_rest_is(&feature, "swbreak+");
		s->knows_hwbreak |= rsp_rest_is(&feature, "hwbreak+");
		s->knows_error_text |= rsp_rest_is(&feature, "error-message+");
		/* LLDB, which knows no errors in words, doesn't say this. */
		s->is_gdb |= rsp_rest_is(&feature, "vContSupported+");
	}
	put_features(s);
	return NULL;
}

static struct err *on_no_ack(struct session *s, struct rsp_reader args)
{
	(void)args;
	s->quiet = true;
	TRY(rsp_conn_send(s->conn, "OK", strlen("OK")));
	rsp_conn_set_no_ack(s->conn);
	return NULL;
}

/* Nobody but LLDB asks that. The answer is no: Hg says which thread a packet is about. */
static struct err *on_thread_suffix(struct session *s, struct rsp_reader args)
{
	(void)args;
	s->is_lldb = true;
	return NULL;
}

static struct err *on_must_be_empty(struct session *s, struct rsp_reader args)
{
	(void)s;
	(void)args;
	return NULL;
}

static struct err *on_attached(struct session *s, struct rsp_reader args)
{
	(void)args;
	/* So that a client that quits lets it go, and doesn't kill it. */
	buf_putc(&s->reply, '1');
	return NULL;
}

static struct err *on_symbol(struct session *s, struct rsp_reader args)
{
	(void)args;
	return packet_ok(s);
}

static struct err *on_offsets(struct session *s, struct rsp_reader args)
{
	struct err *e;
	uint64_t first, slide;

	(void)args;
	e = target_offsets(s->target, &first, &slide);
	/* LLDB takes either for a distance, GDB this one for that of two sections only. */
	if (!e && s->is_lldb)
		buf_printf(&s->reply, "Text=%llx;Data=%llx", (unsigned long long)slide, (unsigned long long)slide);
	else if (!e)
		buf_printf(&s->reply, "TextSeg=%llx", (unsigned long long)first);
	else if (err_code(e) == ERR_CLOSED)
		return e;
	/* GDB then takes it as it was linked. */
	err_ignore(e);
	return NULL;
}

/* --- Threads --- */

static struct err *on_current_thread(struct session *s, struct rsp_reader args)
{
	(void)args;
	buf_printf(&s->reply, "QC%x", s->thread);
	return NULL;
}

static struct err *put_threads(struct session *s)
{
	char separator = 'm';

	for (; s->threads_told < s->threads.n && s->reply.len < SESSION_PACKET_MAX - 16; s->threads_told++) {
		buf_putc(&s->reply, separator);
		buf_printf(&s->reply, "%x", s->threads.v[s->threads_told].id);
		separator = ',';
	}
	if (!s->reply.len)
		buf_putc(&s->reply, 'l');
	return NULL;
}

static struct err *on_first_threads(struct session *s, struct rsp_reader args)
{
	(void)args;
	target_threads_deinit(&s->threads);
	s->threads_told = 0;
	TRY(target_threads(s->target, &s->threads));
	return put_threads(s);
}

static struct err *on_next_threads(struct session *s, struct rsp_reader args)
{
	(void)args;
	return put_threads(s);
}

static struct err *on_thread_name(struct session *s, struct rsp_reader args)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	struct rsp_thread id;
	uint32_t thread;

	if (!rsp_read_thread(&args, &id) || !rsp_at_end(&args))
		return packet_malformed();
	TRY(packet_thread(s, id, &thread));
	TRY(target_threads(s->target, &threads));
	for (size_t i = 0; i < threads.n; i++) {
		if (threads.v[i].id == thread) {
			rsp_put_hex_text(&s->reply, threads.v[i].name);
			return NULL;
		}
	}
	return err_create(ERR_NOT_FOUND, "there is no thread %x", thread);
}

/* LLDB asks this for each thread but the one that it was told of. */
static struct err *on_thread_stop(struct session *s, struct rsp_reader args)
{
	struct rsp_thread id;
	struct stop stop = { .signo = 0 };

	if (!rsp_read_thread(&args, &id) || !rsp_at_end(&args))
		return packet_malformed();
	TRY(packet_thread(s, id, &stop.thread));
	stop_put_reply(s, stop.thread == s->stop.thread ? &s->stop : &stop, &s->reply);
	return NULL;
}

/* --- The monitor --- */

static void put_output(const char *text, size_t len, void *user)
{
	session_show(user, text, len);
}

static struct err *on_command(struct session *s, struct rsp_reader args)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = NULL;
	_cleanup_(free) char *text = NULL;

	if (!rsp_read_hex_data(&args, COMMAND_MAX, &line) || !rsp_at_end(&args) || strlen(buf_str(&line)) != line.len)
		return packet_malformed();
	e = target_monitor(s->target, s->thread, buf_str(&line), put_output, s);
	if (!e) {
		/* Wishes to go on wait for it: see session.c. */
		s->held = s->held || (target_is_resetting(s->target) && s->word_fd >= 0);
		return packet_ok(s);
	}
	/* GDB shows what is printed, but of the error only its number. */
	text = xasprintf("ktb: %s\n", err_message(e));
	session_show(s, text, strlen(text));
	if (err_code(e) == ERR_CLOSED)
		return steal(&e);
	buf_puts(&s->reply, "E01");
	return NULL;
}

/* --- Trace variables --- */

/* That there is an answer has GDB ask for the variables. There are no tracepoints. */
static struct err *on_trace_status(struct session *s, struct rsp_reader args)
{
	size_t n;

	(void)args;
	target_variables(s->target, &n);
	if (n)
		buf_puts(&s->reply, "T0;tnotrun:0");
	return NULL;
}

static struct err *on_tracepoints(struct session *s, struct rsp_reader args)
{
	(void)args;
	buf_putc(&s->reply, 'l');
	return NULL;
}

static struct err *put_variable(struct session *s)
{
	size_t n;
	const struct target_variable *v = target_variables(s->target, &n);

	if (s->variables_told >= n) {
		buf_putc(&s->reply, 'l');
		return NULL;
	}
	v += s->variables_told++;
	/* Number, value at the beginning, whether it is built in. */
	buf_printf(&s->reply, "%x:0:1:", v->number);
	rsp_put_hex_text(&s->reply, v->name);
	return NULL;
}

static struct err *on_first_variable(struct session *s, struct rsp_reader args)
{
	(void)args;
	s->variables_told = 0;
	return put_variable(s);
}

static struct err *on_next_variable(struct session *s, struct rsp_reader args)
{
	(void)args;
	return put_variable(s);
}

static struct err *on_variable(struct session *s, struct rsp_reader args)
{
	uint64_t number;
	int64_t value;
	struct err *e;

	if (!rsp_read_hex(&args, &number) || number > UINT32_MAX || !rsp_at_end(&args))
		return packet_malformed();
	e = target_variable(s->target, s->thread, (unsigned int)number, &value);
	if (!e)
		buf_printf(&s->reply, "V%llx", (unsigned long long)value);
	else if (err_code(e) == ERR_CLOSED)
		return e;
	else
		buf_putc(&s->reply, 'U');
	err_ignore(e);
	return NULL;
}

/* --- The target's own --- */

static struct err *ask_target(struct session *s, const char *packet, size_t len)
{
	struct err *e;

	buf_clear(&s->scratch);
	e = target_query(s->target, packet, len, &s->scratch);
	if (e && err_code(e) == ERR_UNSUPPORTED) {
		err_ignore(e);
		return NULL;
	}
	TRY(e);
	buf_append(&s->reply, buf_str(&s->scratch), s->scratch.len);
	return NULL;
}

/* What was passed over as the name is in front of args. */
static struct err *on_query(struct session *s, struct rsp_reader args)
{
	size_t name = strlen("qqemu.");

	return ask_target(s, args.p - name, rsp_left(&args) + name);
}

const struct packet_type packets_of_queries[] = {
	{ "qSupported", on_supported, 0 },
	{ "QStartNoAckMode", on_no_ack, PACKET_WHOLE },
	{ "QThreadSuffixSupported", on_thread_suffix, PACKET_WHOLE },
	{ "vMustReplyEmpty", on_must_be_empty, 0 },
	{ "qAttached", on_attached, 0 },
	{ "qSymbol:", on_symbol, 0 },
	{ "qOffsets", on_offsets, PACKET_WHOLE },
	{ "qC", on_current_thread, PACKET_WHOLE },
	{ "qfThreadInfo", on_first_threads, PACKET_WHOLE },
	{ "qsThreadInfo", on_next_threads, PACKET_WHOLE },
	{ "qThreadExtraInfo,", on_thread_name, 0 },
	{ "qThreadStopInfo", on_thread_stop, 0 },
	{ "qRcmd,", on_command, 0 },
	{ "qTStatus", on_trace_status, PACKET_WHOLE },
	{ "qTfP", on_tracepoints, PACKET_WHOLE },
	{ "qTsP", on_tracepoints, PACKET_WHOLE },
	{ "qTfV", on_first_variable, PACKET_WHOLE },
	{ "qTsV", on_next_variable, PACKET_WHOLE },
	{ "qTV:", on_variable, 0 },
	{ "qqemu.", on_query, 0 },
	{ "Qqemu.", on_query, 0 },
	{ NULL, NULL, 0 },
};
