#include "server/agent_expr.h"

#include "base/util.h"

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

/* What is left of the packet. */
struct text {
	const char *p, *end;
};

static bool skip(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* At least one digit, and at most max. */
static bool parse_hex(struct text *t, size_t max, size_t *ret)
{
	const char *begin = t->p;
	size_t n = 0;

	for (; t->p < t->end && hex_digit(*t->p) >= 0; t->p++) {
		n = n << 4 | (size_t)hex_digit(*t->p);
		if (n > max)
			return false;
	}
	*ret = n;
	return t->p > begin;
}

static bool parse_bytes(struct text *t, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++, t->p += 2) {
		int high = hex_digit(t->p[0]), low = hex_digit(t->p[1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Behind the X. */
static struct err *parse_program(struct text *t, bool want_value, struct agent_list *list)
{
	_cleanup_(buf_deinit) struct buf why = BUF_INIT;
	_cleanup_(free) uint8_t *code = NULL;
	struct agent_trouble trouble;
	enum agent_result r;
	size_t len;

	if (!parse_hex(t, AGENT_CODE_MAX, &len) || !skip(t, ",") || len > (size_t)(t->end - t->p) / 2)
		return err_create(ERR_BAD_DATA, "an agent expression's length isn't that of its bytecode");
	code = xmalloc(len + 1);
	if (!parse_bytes(t, code, len))
		return err_create(ERR_BAD_DATA, "an agent expression's bytecode isn't hexadecimal");
	r = agent_check(code, len, want_value, &trouble);
	if (r != AGENT_OK) {
		agent_describe(r, &trouble, code, len, &why);
		return err_create(ERR_BAD_DATA, "an agent expression can't be used: %s", buf_str(&why));
	}
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct agent_expr){ steal(&code), len };
	return NULL;
}

static struct err *parse_list(struct text *t, bool want_value, struct agent_list *list)
{
	while (skip(t, "X"))
		TRY(parse_program(t, want_value, list));
	if (t->p < t->end && *t->p != ';')
		return err_create(ERR_BAD_DATA, "something else than an agent expression stands among them");
	return NULL;
}

static struct err *parse_options(struct text *t, struct agent_breakpoint *b)
{
	size_t persist;

	while (t->p < t->end) {
		if (!skip(t, ";"))
			return err_create(ERR_BAD_DATA, "no semicolon stands before a breakpoint's options");
		if (skip(t, "cmds:")) {
			if (!parse_hex(t, 1, &persist) || !skip(t, ","))
				return err_create(ERR_BAD_DATA,
						  "a breakpoint's commands don't say whether they persist");
			b->persist = persist;
			TRY(parse_list(t, false, &b->commands));
		} else if (t->p < t->end && *t->p == 'X') {
			TRY(parse_list(t, true, &b->conditions));
		} else {
			while (t->p < t->end && *t->p != ';')
				t->p++;
		}
	}
	return NULL;
}

struct err *agent_parse_breakpoint(const char *text, size_t len, struct agent_breakpoint *ret)
{
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint b = { .persist = false };
	struct text t = { text, text + len };

	TRY(parse_options(&t, &b));
	*ret = b;
	b = (struct agent_breakpoint){ .persist = false };
	return NULL;
}
