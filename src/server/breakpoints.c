/*
 * Theory of operation. GDB plants its breakpoints before each time it lets the machine go on, and takes them out at each stop.
 * A Z packet brings the conditions and commands along, and replaces what an earlier one for the same place brought: one
 * without any, for an unconditional breakpoint at the same address, makes that one stop always.
 *
 * Conditions are evaluated with the machine stopped, between two resumes, and cost no word with the client. The lookup by
 * address is a binary search, registers and memory are read as the bytecode asks, into buffers that are kept; what a hit
 * costs is what the target needs to stop, say where it is, and go past the breakpoint.
 */
#include "server/breakpoints.h"

#include <stdlib.h>

#include "base/util.h"
#include "server/session_private.h"

static void breakpoint_deinit(struct breakpoint *bp)
{
	agent_breakpoint_deinit(&bp->agent);
}

void breakpoints_deinit(struct breakpoints *b)
{
	for (size_t i = 0; i < b->n; i++)
		breakpoint_deinit(&b->v[i]);
	free(b->v);
	*b = (struct breakpoints){ 0 };
}

/* The first that is not below the address. */
static size_t lower_bound(const struct breakpoints *b, uint64_t address)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->v[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct breakpoint *find(struct breakpoints *b, enum target_break kind, uint64_t address, uint64_t size)
{
	for (size_t i = lower_bound(b, address); i < b->n && b->v[i].address == address; i++) {
		if (b->v[i].kind == kind && b->v[i].size == size)
			return &b->v[i];
	}
	return NULL;
}

static struct breakpoint *add(struct breakpoints *b, enum target_break kind, uint64_t address, uint64_t size)
{
	size_t at = lower_bound(b, address);

	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 16;
		b->v = xreallocarray(b->v, b->cap, sizeof(*b->v));
	}
	memmove(b->v + at + 1, b->v + at, (b->n - at) * sizeof(*b->v));
	b->n++;
	b->v[at] = (struct breakpoint){ .kind = kind, .address = address, .size = size };
	return &b->v[at];
}

static void drop(struct breakpoints *b, struct breakpoint *bp)
{
	size_t behind = (size_t)(b->v + b->n - (bp + 1));

	b->code -= bp->code;
	breakpoint_deinit(bp);
	memmove(bp, bp + 1, behind * sizeof(*bp));
	b->n--;
}

static bool is_breakpoint(enum target_break kind)
{
	return kind == TARGET_BREAK_SOFTWARE || kind == TARGET_BREAK_HARDWARE;
}

bool breakpoints_at(const struct breakpoints *b, uint64_t pc)
{
	for (size_t i = lower_bound(b, pc); i < b->n && b->v[i].address == pc; i++) {
		if (is_breakpoint(b->v[i].kind))
			return true;
	}
	return false;
}

struct err *breakpoints_remove_all(struct session *s)
{
	struct err *first = NULL;

	for (size_t i = 0; i < s->breakpoints.n; i++) {
		const struct breakpoint *bp = &s->breakpoints.v[i];
		struct err *e = target_remove(s->target, bp->kind, bp->address, bp->size);

		if (first)
			err_ignore(e);
		else
			first = err_wrap(e, "remove the breakpoint at 0x%llx", (unsigned long long)bp->address);
	}
	breakpoints_deinit(&s->breakpoints);
	return first;
}

void breakpoints_drop_lost(struct session *s)
{
	for (size_t i = s->breakpoints.n; i-- > 0;) {
		struct breakpoint *bp = &s->breakpoints.v[i];

		if (target_lost(s->target, bp->kind, bp->address, bp->size))
			drop(&s->breakpoints, bp);
	}
}

/* --- Expressions --- */

struct view {
	struct session *s;
	uint32_t thread;
	struct err *e; /* what a callback can't say by false */
};

/* What can't be had is the expression's trouble. */
static bool read_memory(void *user, uint64_t address, void *ret, size_t len)
{
	const struct view *v = user;
	char *to = ret;

	while (len) {
		size_t n;

		if (!had(target_read_memory(v->s->target, v->thread, address, to, len, &n)))
			return false;
		if (!n || n > len)
			return false;
		address += n;
		to += n;
		len -= n;
	}
	return true;
}

static bool read_register(void *user, unsigned int number, uint64_t *ret)
{
	const struct view *v = user;
	struct buf *bytes = &v->s->scratch;
	uint64_t value = 0;

	buf_clear(bytes);
	if (!had(target_read_register(v->s->target, v->thread, number, bytes)) || bytes->len > sizeof(value))
		return false;
	for (size_t i = 0; i < bytes->len; i++)
		value |= (uint64_t)(unsigned char)bytes->data[i] << 8 * i;
	*ret = value;
	return true;
}

static bool get_variable(void *user, unsigned int number, int64_t *ret)
{
	const struct view *v = user;

	return had(target_variable(v->s->target, v->thread, number, ret));
}

static void output(void *user, const char *text, size_t len)
{
	const struct view *v = user;

	session_say(v->s, text, len);
}

static enum agent_result evaluate(struct session *s, uint32_t thread, const struct agent_expr *expr, uint64_t *ret,
				  struct agent_trouble *ret_trouble)
{
	struct view view = { .s = s, .thread = thread };
	const struct agent_env env = {
		.read_memory = read_memory,
		.read_register = read_register,
		.get_variable = get_variable,
		.output = output,
		.user = &view,
	};

	return agent_run(expr->code, expr->len, &env, AGENT_STEPS_MAX, ret, ret_trouble);
}

static void tell_trouble(struct session *s, const char *what, const struct breakpoint *bp, enum agent_result result,
			 const struct agent_trouble *trouble, const struct agent_expr *expr)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;

	buf_printf(&line, "ktb: the %s of the breakpoint at 0x%llx could not be evaluated, so it stops: ", what,
		   (unsigned long long)bp->address);
	agent_describe(result, trouble, expr->code, expr->len, &line);
	session_say_line(s, buf_str(&line));
}

static bool condition_holds(struct session *s, uint32_t thread, const struct breakpoint *bp)
{
	const struct agent_list *conditions = &bp->agent.conditions;

	for (size_t i = 0; i < conditions->n; i++) {
		struct agent_trouble trouble = { 0 };
		uint64_t value = 0;
		enum agent_result result = evaluate(s, thread, &conditions->v[i], &value, &trouble);

		if (result != AGENT_OK)
			tell_trouble(s, "condition", bp, result, &trouble, &conditions->v[i]);
		if (result != AGENT_OK || value)
			return true;
	}
	return !conditions->n;
}

/* False: one of them failed. */
static bool run_commands(struct session *s, uint32_t thread, const struct breakpoint *bp)
{
	const struct agent_list *commands = &bp->agent.commands;

	for (size_t i = 0; i < commands->n; i++) {
		struct agent_trouble trouble = { 0 };
		enum agent_result result = evaluate(s, thread, &commands->v[i], NULL, &trouble);

		if (result != AGENT_OK) {
			tell_trouble(s, "command", bp, result, &trouble, &commands->v[i]);
			return false;
		}
	}
	return true;
}

enum breakpoints_hit breakpoints_hit(struct session *s, uint32_t thread, uint64_t pc, const struct breakpoint **ret)
{
	struct breakpoints *b = &s->breakpoints;
	enum breakpoints_hit hit = HIT_NONE;

	for (size_t i = lower_bound(b, pc); i < b->n && b->v[i].address == pc; i++) {
		const struct breakpoint *bp = &b->v[i];

		if (!is_breakpoint(bp->kind))
			continue;
		hit = hit == HIT_NONE ? HIT_PASSED : hit;
		if (!condition_holds(s, thread, bp))
			continue;
		if (bp->agent.commands.n && run_commands(s, thread, bp))
			continue;
		if (hit != HIT_STOP)
			*ret = bp;
		hit = HIT_STOP;
	}
	return hit;
}

/* --- Packets --- */

static size_t code_of(const struct agent_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += list->v[i].len + sizeof(list->v[i]);
	return n;
}

/* KIND,ADDRESS,SIZE */
static struct err *parse_place(struct rsp_reader *args, enum target_break *ret_kind, uint64_t *ret_address,
			       uint64_t *ret_size)
{
	uint64_t kind;

	if (!rsp_read_hex(args, &kind) || !rsp_read_char(args, ',') || !rsp_read_range(args, ret_address, ret_size))
		return packet_malformed();
	if (kind >= TARGET_BREAKS_N)
		return err_create(ERR_UNSUPPORTED, "there are no breakpoints of kind %llu", (unsigned long long)kind);
	*ret_kind = (enum target_break)kind;
	return NULL;
}

static struct err *insert(struct session *s, enum target_break kind, uint64_t address, uint64_t size,
			  struct agent_breakpoint *agent)
{
	struct breakpoints *b = &s->breakpoints;
	struct breakpoint *bp = find(b, kind, address, size);
	size_t code = code_of(&agent->conditions) + code_of(&agent->commands);

	if (b->code + code > BREAKPOINTS_CODE_MAX)
		return err_create(ERR_BAD_DATA, "the conditions of all breakpoints take more than %d bytes",
				  BREAKPOINTS_CODE_MAX);
	if (!bp) {
		if (b->n == BREAKPOINTS_MAX)
			return err_create(ERR_BAD_DATA, "there are %d breakpoints already", BREAKPOINTS_MAX);
		TRY(target_insert(s->target, kind, address, size));
		bp = add(b, kind, address, size);
	}
	b->code += code - bp->code;
	bp->code = code;
	agent_breakpoint_deinit(&bp->agent);
	bp->agent = *agent;
	*agent = (struct agent_breakpoint){ 0 };
	return NULL;
}

static bool is_unsupported(struct err *e)
{
	return e && err_code(e) == ERR_UNSUPPORTED;
}

/* A kind that the target doesn't have is answered as a packet that isn't known: the client then asks for none more. */
static struct err *answer(struct session *s, struct err *e)
{
	if (is_unsupported(e)) {
		err_ignore(e);
		return NULL;
	}
	return e ? e : packet_ok(s);
}

static struct err *on_insert(struct session *s, struct rsp_reader args)
{
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint agent = { 0 };
	enum target_break kind = TARGET_BREAKS_N;
	uint64_t address = 0, size = 0;
	struct err *e = parse_place(&args, &kind, &address, &size);

	if (e)
		return answer(s, e);
	if (is_breakpoint(kind))
		TRY(agent_parse_breakpoint(args.p, rsp_left(&args), &agent));
	return answer(s, insert(s, kind, address, size, &agent));
}

static struct err *on_remove(struct session *s, struct rsp_reader args)
{
	enum target_break kind = TARGET_BREAKS_N;
	uint64_t address = 0, size = 0;
	struct err *e = parse_place(&args, &kind, &address, &size);
	struct breakpoint *bp;

	if (e)
		return answer(s, e);
	bp = find(&s->breakpoints, kind, address, size);
	/* LLDB, unlike GDB, also removes those that went with a module. */
	if (!bp && s->is_lldb)
		return packet_ok(s);
	if (!bp)
		return err_create(ERR_NOT_FOUND, "there is no breakpoint at 0x%llx", (unsigned long long)address);
	e = target_remove(s->target, kind, address, size);
	drop(&s->breakpoints, bp);
	return answer(s, e);
}

const struct packet_type packets_of_breakpoints[] = {
	{ "Z", on_insert, PACKET_TEXT },
	{ "z", on_remove, PACKET_TEXT },
	{ NULL, NULL, 0 },
};
