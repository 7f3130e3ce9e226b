#include "server/agent_expr.h"

#include "base/util.h"
#include "rsp/payload.h"

void agent_list_deinit(struct agent_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].code);
	free(list->v);
	*list = (struct agent_list)AGENT_LIST_INIT;
}

void agent_breakpoint_deinit(struct agent_breakpoint *b)
{
	agent_list_deinit(&b->conditions);
	agent_list_deinit(&b->commands);
}

/* At least one digit, and at most max. */
static bool read_number(struct rsp_reader *r, size_t max, size_t *ret)
{
	uint64_t n;

	if (!rsp_read_hex(r, &n) || n > max)
		return false;
	*ret = (size_t)n;
	return true;
}

/* Behind the X. */
static struct err *parse_program(struct rsp_reader *r, bool want_value, struct agent_list *list)
{
	_cleanup_(buf_deinit) struct buf why = BUF_INIT;
	_cleanup_(free) uint8_t *code = NULL;
	struct agent_trouble trouble;
	enum agent_result result;
	size_t len;

	if (!read_number(r, AGENT_CODE_MAX, &len) || !rsp_read_char(r, ',') || len > rsp_left(r) / 2)
		return err_create(ERR_BAD_DATA, "an agent expression's length isn't that of its bytecode");
	code = xmalloc(len + 1);
	if (!rsp_read_hex_bytes(r, code, len))
		return err_create(ERR_BAD_DATA, "an agent expression's bytecode isn't hexadecimal");
	result = agent_check(code, len, want_value, &trouble);
	if (result != AGENT_OK) {
		agent_describe(result, &trouble, code, len, &why);
		return err_create(ERR_BAD_DATA, "an agent expression can't be used: %s", buf_str(&why));
	}
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct agent_expr){ steal(&code), len };
	return NULL;
}

static struct err *parse_list(struct rsp_reader *r, bool want_value, struct agent_list *list)
{
	while (rsp_read_char(r, 'X'))
		TRY(parse_program(r, want_value, list));
	if (!rsp_at_end(r) && *r->p != ';')
		return err_create(ERR_BAD_DATA, "something else than an agent expression stands among them");
	return NULL;
}

static struct err *parse_options(struct rsp_reader *r, struct agent_breakpoint *b)
{
	struct rsp_reader unknown;
	size_t persist;

	while (!rsp_at_end(r)) {
		if (!rsp_read_char(r, ';'))
			return err_create(ERR_BAD_DATA, "no semicolon stands before a breakpoint's options");
		if (rsp_read_text(r, "cmds:")) {
			if (!read_number(r, 1, &persist) || !rsp_read_char(r, ','))
				return err_create(ERR_BAD_DATA,
						  "a breakpoint's commands don't say whether they persist");
			b->persist = persist;
			TRY(parse_list(r, false, &b->commands));
		} else if (!rsp_at_end(r) && *r->p == 'X') {
			TRY(parse_list(r, true, &b->conditions));
		} else if (rsp_read_field(r, ';', &unknown) && r->p > unknown.end) {
			/* The next one's semicolon is its own. */
			r->p--;
		}
	}
	return NULL;
}

struct err *agent_parse_breakpoint(const char *text, size_t len, struct agent_breakpoint *ret)
{
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint b = { .persist = false };
	struct rsp_reader r = rsp_reader_on(text, len);

	TRY(parse_options(&r, &b));
	*ret = b;
	b = (struct agent_breakpoint){ .persist = false };
	return NULL;
}
