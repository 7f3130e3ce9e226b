#include "kbuild/kconfig_parser.h"

#include <stdarg.h>
#include <string.h>

#include "base/util.h"

void kconfig_builder_deinit(struct kconfig_builder *b)
{
	free(b->entries);
	name_map_deinit(&b->symbols);
	kconfig_macros_deinit(&b->macros);
	pool_deinit(&b->pool);
}

const struct kconfig_symbol *kconfig_builder_find(const struct kconfig_builder *b, const char *name, size_t len)
{
	const struct kconfig_builder_symbol *s = name_map_get(&b->symbols, name, len);

	return s ? &s->symbol : NULL;
}

struct kconfig_builder_symbol *kconfig_intern(struct kconfig_builder *b, const char *name, size_t len)
{
	struct kconfig_builder_symbol *s = name_map_get(&b->symbols, name, len);

	if (s)
		return s;
	s = pool_alloc(&b->pool, sizeof(*s));
	s->symbol.name = pool_strndup(&b->pool, name, len);
	name_map_add(&b->symbols, s->symbol.name, s);
	if (b->last_symbol)
		b->last_symbol->next = &s->symbol;
	else
		b->first_symbol = &s->symbol;
	b->last_symbol = &s->symbol;
	return s;
}

struct err *kconfig_syntax_error(const struct kconfig_parser *p, const char *fmt, ...)
{
	_cleanup_(free) char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	return err_create(ERR_BAD_DATA, "%s:%d: %s", p->file->name, p->line, message);
}

struct err *kconfig_advance(struct kconfig_parser *p)
{
	return err_wrap(kconfig_lex(&p->lexer, &p->token), "%s:%d", p->file->name, p->lexer.line);
}

bool kconfig_at_word(const struct kconfig_parser *p, const char *word)
{
	const struct kconfig_token *t = &p->token;

	return t->kind == KCONFIG_TOKEN_WORD && t->len == strlen(word) && strncmp(t->text, word, t->len) == 0;
}

/* The choice in which an entry stands, be it inside of an `if`; or NULL. */
static const struct kconfig_entry *enclosing_choice(const struct kconfig_entry *e)
{
	const struct kconfig_entry *parent = e->parent;

	while (parent && parent->kind == KCONFIG_ENTRY_IF)
		parent = parent->parent;
	return parent && parent->kind == KCONFIG_ENTRY_CHOICE ? parent : NULL;
}

/* True if the expression can only hold where a member of the choice is set. */
static bool needs_member(const struct kconfig_builder *b, const struct kconfig_expr *e,
			 const struct kconfig_entry *choice)
{
	const struct kconfig_builder_symbol *s;

	if (!e)
		return false;
	if (e->op == KCONFIG_OP_AND)
		return needs_member(b, e->left, choice) || needs_member(b, e->right, choice);
	if (e->op != KCONFIG_OP_SYMBOL)
		return false;
	s = name_map_get(&b->symbols, e->symbol->name, strlen(e->symbol->name));
	return s && s->member_of == choice;
}

/*
 * An entry in a choice that depends on a member is a sub-option of that one, no member itself: menu_finalize() in
 * scripts/kconfig/menu.c.
 */
void kconfig_builder_finish(struct kconfig_builder *b)
{
	struct kconfig_entry *choice = NULL, *last = NULL;

	for (size_t i = 0; i < b->entries_n; i++) {
		struct kconfig_entry *e = b->entries[i];

		if (e->kind == KCONFIG_ENTRY_CHOICE) {
			choice = e;
			last = NULL;
		}
		if (!choice || e->kind != KCONFIG_ENTRY_CONFIG || enclosing_choice(e) != choice || !e->prompt ||
		    needs_member(b, e->depends, choice))
			continue;
		e->choice = choice;
		kconfig_intern(b, e->symbol->name, strlen(e->symbol->name))->member_of = choice;
		if (last)
			last->next_member = e;
		else
			choice->members = e;
		last = e;
	}
}
