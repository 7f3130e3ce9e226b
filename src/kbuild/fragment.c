#include "kbuild/fragment.h"

#include <string.h>

#include "base/util.h"
#include "kbuild/name_map.h"
#include "kbuild/pool.h"

/* One option: the request that counts, and its place in the order. */
struct slot {
	const struct fragment_request *request;
};

struct fragment_set {
	struct pool pool;
	struct name_map by_name; /* to struct slot */
	struct slot **slots;
	size_t n;
};

struct fragment_set *fragment_set_create(void)
{
	return xcalloc(1, sizeof(struct fragment_set));
}

void fragment_set_destroy(struct fragment_set *s)
{
	if (!s)
		return;
	name_map_deinit(&s->by_name);
	free(s->slots);
	pool_deinit(&s->pool);
	free(s);
}

char *fragment_request_text(const struct fragment_request *r)
{
	const char *quote = r->kind == DOTCONFIG_STRING ? "\"" : "";

	return xasprintf("%s=%s%s%s", r->name, quote, r->value, quote);
}

char *fragment_request_place(const struct fragment_request *r)
{
	return r->line ? xasprintf("%s:%d", r->file, r->line) : xstrdup("--kconfig");
}

static struct err *contradiction(const struct fragment_request *a, const struct fragment_request *b)
{
	_cleanup_(free) char *place_a = fragment_request_place(a), *place_b = fragment_request_place(b);
	_cleanup_(free) char *text_a = fragment_request_text(a), *text_b = fragment_request_text(b);

	return err_create(ERR_USAGE, "%s in %s contradicts %s in %s; take one of the two out", text_b, place_b, text_a,
			  place_a);
}

/* ktb.conf files and the command line come in the order of their rank, so that the later one may win. */
static bool may_override(const struct fragment_request *old, const struct fragment_request *new)
{
	if (new->layer != old->layer)
		return new->layer > old->layer;
	return new->layer == FRAGMENT_CONFIG && (!new->line || !streq(new->file, old->file));
}

/* What r overrides is always of a lower layer: a request of the same one that it replaces is forgotten. */
static const struct fragment_request *overridden_by(const struct fragment_request *r,
						    const struct fragment_request *old)
{
	while (old && old->layer == r->layer)
		old = old->overrides;
	return old;
}

static struct err *add_request(struct fragment_set *s, struct fragment_request *r)
{
	struct slot *slot = name_map_get(&s->by_name, r->name, strlen(r->name));
	const struct fragment_request *old;

	if (!slot) {
		slot = pool_alloc(&s->pool, sizeof(*slot));
		slot->request = r;
		if (!(s->n & (s->n - 1)))
			s->slots = xreallocarray(s->slots, s->n ? 2 * s->n : 1, sizeof(*s->slots));
		s->slots[s->n++] = slot;
		name_map_add(&s->by_name, r->name, slot);
		return NULL;
	}
	old = slot->request;
	if (old->layer == r->layer && old->kind == r->kind && streq(old->value, r->value))
		return NULL;
	if (!may_override(old, r))
		return contradiction(old, r);
	r->overrides = overridden_by(r, old);
	slot->request = r;
	return NULL;
}

static struct fragment_request *new_request(struct fragment_set *s, enum fragment_layer layer, const char *name,
					    const char *value, const char *file, int line)
{
	struct fragment_request *r = pool_alloc(&s->pool, sizeof(*r));

	r->name = pool_strndup(&s->pool, name, strlen(name));
	r->value = pool_strndup(&s->pool, value, strlen(value));
	r->file = file;
	r->line = line;
	r->layer = layer;
	return r;
}

/* What is asked for is the user's to write, in a file as on the command line. */
static struct err *as_usage(struct err *e)
{
	struct err *usage;

	if (!e || err_code(e) != ERR_BAD_DATA)
		return e;
	usage = err_create(ERR_USAGE, "%s", err_message(e));
	err_destroy(e);
	return usage;
}

struct err *fragment_set_add(struct fragment_set *s, enum fragment_layer layer, const char *name, const char *value,
			     const char *file, int line)
{
	_cleanup_(free) char *unquoted = NULL;
	struct fragment_request *r;

	if (!dotconfig_valid_name(name, strlen(name)))
		return err_create(ERR_USAGE, "'%s' is not the name of a kernel option", name);
	if (strchr(value, '\n'))
		return err_create(ERR_USAGE, "the value of %s has more than one line", name);
	if (*value == '"')
		TRY(as_usage(err_wrap(dotconfig_parse_quoted(value, &unquoted), "%s", name)));
	r = new_request(s, layer, name, unquoted ? unquoted : value, pool_strndup(&s->pool, file, strlen(file)), line);
	r->kind = unquoted ? DOTCONFIG_STRING : dotconfig_kind_of(value);
	return add_request(s, r);
}

struct parsing {
	struct fragment_set *set;
	enum fragment_layer layer;
	bool if_known;
	const char *file;
};

static struct err *add_line(struct dotconfig_line *l, int number, void *user)
{
	const struct parsing *p = user;
	struct fragment_request *r = new_request(p->set, p->layer, l->name, l->value, p->file, number);

	r->kind = l->kind;
	r->if_known = p->if_known;
	return add_request(p->set, r);
}

struct err *fragment_set_parse(struct fragment_set *s, enum fragment_layer layer, bool if_known, const char *file,
			       const char *data, size_t len)
{
	struct parsing p = { s, layer, if_known, pool_strndup(&s->pool, file, strlen(file)) };

	return as_usage(dotconfig_for_each(file, data, len, add_line, &p));
}

size_t fragment_set_count(const struct fragment_set *s)
{
	return s->n;
}

const struct fragment_request *fragment_set_at(const struct fragment_set *s, size_t i)
{
	return s->slots[i]->request;
}

const struct fragment_request *fragment_set_find(const struct fragment_set *s, const char *name)
{
	const struct slot *slot = name_map_get(&s->by_name, name, strlen(name));

	return slot ? slot->request : NULL;
}

void fragment_set_write(const struct fragment_set *s, struct buf *b)
{
	for (size_t i = 0; i < s->n; i++)
		dotconfig_write_line(b, s->slots[i]->request->name, s->slots[i]->request->kind,
				     s->slots[i]->request->value);
}
