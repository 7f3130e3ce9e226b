#include "kbuild/kconfig_macro.h"

#include <string.h>

#include "base/util.h"

/* Far beyond what a kernel uses: 3 levels, and a few thousand expansions of some bytes each. */
enum { MACRO_DEPTH_MAX = 16, MACRO_SPENT_MAX = 8 << 20 };

struct variable {
	const char *name;
	bool recursive; /* expanded where it is used */
	bool opaque;
	char *value;
};

void kconfig_macros_deinit(struct kconfig_macros *m)
{
	name_map_deinit(&m->variables);
	pool_deinit(&m->pool);
}

size_t kconfig_macro_length(const char *s, size_t len)
{
	int depth = 0;

	for (size_t i = 1; i < len && s[i] != '\n'; i++) {
		if (s[i] == '(')
			depth++;
		else if (s[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

static struct err *expand(struct kconfig_macros *m, const char *text, size_t len, int depth, struct buf *b,
			  bool *ret_opaque) err_must_check;

/* One reference, without its "$(" and ")". */
static struct err *expand_reference(struct kconfig_macros *m, const char *name, size_t len, int depth, struct buf *b,
				    bool *ret_opaque)
{
	struct variable *v = memchr(name, ',', len) ? NULL : name_map_get(&m->variables, name, len);

	if (!v || v->opaque) {
		*ret_opaque = true;
		return NULL;
	}
	if (v->recursive)
		return expand(m, v->value, strlen(v->value), depth + 1, b, ret_opaque);
	buf_puts(b, v->value);
	return NULL;
}

static struct err *spend(struct kconfig_macros *m, size_t n)
{
	m->spent += n;
	if (m->spent > MACRO_SPENT_MAX)
		return err_create(ERR_BAD_DATA, "the macros expand to more than %d bytes in all", MACRO_SPENT_MAX);
	return NULL;
}

static struct err *expand(struct kconfig_macros *m, const char *text, size_t len, int depth, struct buf *b,
			  bool *ret_opaque)
{
	if (depth > MACRO_DEPTH_MAX)
		return err_create(ERR_BAD_DATA, "macros refer to macros more than %d deep", MACRO_DEPTH_MAX);
	for (size_t i = 0; i < len;) {
		size_t before = b->len, n = 1;

		if (text[i] == '$' && i + 1 < len && text[i + 1] == '$') {
			buf_putc(b, '$');
			n = 2;
		} else if (text[i] == '$' && i + 1 < len && text[i + 1] == '(') {
			n = kconfig_macro_length(text + i, len - i);
			if (!n)
				return err_create(ERR_BAD_DATA, "a macro has no closing parenthesis: %.*s",
						  (int)MIN(len - i, (size_t)60), text + i);
			TRY(expand_reference(m, text + i + 2, n - 3, depth, b, ret_opaque));
		} else {
			buf_putc(b, text[i]);
		}
		TRY(spend(m, 1 + b->len - before));
		i += n;
	}
	return NULL;
}

struct err *kconfig_macros_expand(struct kconfig_macros *m, const char *text, size_t len, struct buf *b,
				  bool *ret_opaque)
{
	*ret_opaque = false;
	return expand(m, text, len, 0, b, ret_opaque);
}

static struct variable *find_or_add(struct kconfig_macros *m, const char *name, size_t len)
{
	struct variable *v = name_map_get(&m->variables, name, len);

	if (!v) {
		v = pool_alloc(&m->pool, sizeof(*v));
		v->name = pool_strndup(&m->pool, name, len);
		name_map_add(&m->variables, v->name, v);
	}
	return v;
}

struct err *kconfig_macros_set(struct kconfig_macros *m, const char *name, size_t name_len, enum kconfig_assignment how,
			       const char *value, size_t value_len)
{
	struct variable *v = name_map_get(&m->variables, name, name_len);
	bool append = how == KCONFIG_ASSIGN_APPEND && v, opaque = false;
	bool recursive = append ? v->recursive : how != KCONFIG_ASSIGN_SIMPLE;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (append)
		buf_printf(&b, "%s ", v->value);
	if (recursive)
		buf_append(&b, value, value_len);
	else
		TRY(kconfig_macros_expand(m, value, value_len, &b, &opaque));
	TRY(spend(m, b.len));
	/* Only now: the value may refer to the variable itself. */
	v = find_or_add(m, name, name_len);
	v->recursive = recursive;
	v->opaque = opaque || (append && v->opaque);
	v->value = pool_strndup(&m->pool, buf_str(&b), b.len);
	return NULL;
}
