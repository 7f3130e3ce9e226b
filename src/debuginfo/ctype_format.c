/*
 * Types as C writes them: around the name of what is declared, from the inside to the outside. So the text grows at both ends,
 * and as nothing is declared here, its middle is empty: "void (*" "[4])(int)".
 */
#include <dwarf.h>

#include "base/util.h"
#include "debuginfo/ctype.h"

enum { STEPS_MAX = 32, NESTED_MAX = 4, PARAMETERS_MAX = 16, TEXT_MAX = 512, NAME_LEN_MAX = 256 };

static void format(const struct ctype *t, int nested, struct buf *ret);

/* In front of what is there. */
static void prepend(struct buf *b, const char *text)
{
	_cleanup_(free) char *old = buf_steal(b);

	buf_puts(b, text);
	buf_puts(b, old ? old : "");
}

/* Arrays and functions bind tighter than pointers. */
static void embrace(struct buf *left, struct buf *right)
{
	if (buf_str(left)[0] != '*')
		return;
	prepend(left, "(");
	buf_putc(right, ')');
}

static void add_parameters(Dwarf_Die *function, int nested, struct buf *right)
{
	Dwarf_Die child;
	int n = 0;

	buf_putc(right, '(');
	if (dwarf_child(function, &child) == 0) {
		do {
			struct ctype type = ctype_of_thing(&child);

			if (n)
				buf_puts(right, ", ");
			if (dwarf_tag(&child) != DW_TAG_formal_parameter || n == PARAMETERS_MAX ||
			    right->len > TEXT_MAX)
				buf_puts(right, "...");
			else
				format(&type, nested + 1, right);
		} while (n++ < PARAMETERS_MAX && right->len <= TEXT_MAX && dwarf_siblingof(&child, &child) == 0);
	}
	buf_puts(right, n ? ")" : "void)");
}

static void add_dimensions(const struct ctype *t, struct buf *right)
{
	static const struct ctype_source nowhere = { NULL, NULL };
	struct ctype at = *t;

	for (int i = 0; i < STEPS_MAX; i++) {
		struct ctype_info info = ctype_describe(&nowhere, &at);

		if (info.count)
			buf_printf(right, "[%llu]", (unsigned long long)info.count);
		else
			buf_puts(right, "[]");
		at = ctype_target(&at);
		if (!at.dimension)
			break;
	}
}

/* C's own types as people write them, where GCC has all their words. */
static const char *shorten(const char *name)
{
	static const struct {
		const char *whole, *written;
	} names[] = {
		{ "long int", "long" },           { "long unsigned int", "unsigned long" },
		{ "long long int", "long long" }, { "long long unsigned int", "unsigned long long" },
		{ "short int", "short" },         { "short unsigned int", "unsigned short" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (streq(names[i].whole, name))
			return names[i].written;
	}
	return name;
}

static void add_name(Dwarf_Die *die, const char *keyword, struct buf *left)
{
	const char *name = dwarf_diename(die);
	_cleanup_(free) char *text = xasprintf("%s%s%.*s", keyword, *keyword ? " " : "", NAME_LEN_MAX,
					       name ? shorten(name) : "{...}");

	prepend(left, text);
}

static const char *keyword_of(int tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
		return "struct";
	case DW_TAG_union_type:
		return "union";
	case DW_TAG_enumeration_type:
		return "enum";
	default:
		return "";
	}
}

static const char *qualifier_of(int tag)
{
	switch (tag) {
	case DW_TAG_const_type:
		return "const ";
	case DW_TAG_volatile_type:
		return "volatile ";
	case DW_TAG_atomic_type:
		return "_Atomic ";
	default:
		return "";
	}
}

static bool is_qualifier(int tag)
{
	return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
	       tag == DW_TAG_atomic_type;
}

struct text {
	struct buf left, right;
	const char *qualifiers[4]; /* of what comes next, not written yet */
	size_t n;
};

/* That of an array is that of its elements, which may have it themselves. */
static void add_qualifier(struct text *text, const char *qualifier)
{
	for (size_t i = 0; i < text->n; i++) {
		if (text->qualifiers[i] == qualifier)
			return;
	}
	if (text->n == ARRAY_SIZE(text->qualifiers))
		return;
	text->qualifiers[text->n++] = qualifier;
	/* "const volatile", whichever way round it is described. */
	if (skip_prefix(qualifier, "const")) {
		text->qualifiers[text->n - 1] = text->qualifiers[0];
		text->qualifiers[0] = qualifier;
	}
}

static void write_qualifiers(struct text *text, bool of_pointer)
{
	for (size_t i = text->n; i > 0; i--) {
		const char *q = text->qualifiers[i - 1];

		/* Behind the star there is a name, or nothing. */
		if (of_pointer && !text->left.len)
			buf_append(&text->left, q, strlen(q) - (*q != '\0'));
		else
			prepend(&text->left, q);
	}
	text->n = 0;
}

/* The step from a type to the one that it is made of. False: it is made of nothing else. */
static bool format_step(struct ctype *at, int nested, struct text *text)
{
	int tag = dwarf_tag(&at->die);

	if (is_qualifier(tag)) {
		add_qualifier(text, qualifier_of(tag));
	} else if (tag == DW_TAG_pointer_type) {
		write_qualifiers(text, true);
		prepend(&text->left, "*");
	} else if (tag == DW_TAG_array_type) {
		embrace(&text->left, &text->right);
		add_dimensions(at, &text->right);
	} else if (tag == DW_TAG_subroutine_type && nested < NESTED_MAX) {
		embrace(&text->left, &text->right);
		add_parameters(&at->die, nested, &text->right);
	} else {
		if (text->left.len || text->right.len)
			prepend(&text->left, " ");
		add_name(&at->die, keyword_of(tag), &text->left);
		write_qualifiers(text, false);
		return false;
	}
	*at = ctype_of_thing(&at->die);
	return true;
}

static void format(const struct ctype *t, int nested, struct buf *ret)
{
	struct text text = { .left = BUF_INIT, .right = BUF_INIT };
	struct ctype at = *t;
	bool more = true;

	if (at.elements)
		buf_printf(&text.right, "[%llu]", (unsigned long long)at.elements);
	for (unsigned int i = 0; i < MIN(at.pointers, (unsigned int)STEPS_MAX); i++)
		prepend(&text.left, "*");
	at.pointers = 0;
	at.elements = 0;
	for (int i = 0; more && !at.is_void && i < STEPS_MAX && text.left.len + text.right.len < TEXT_MAX; i++)
		more = format_step(&at, nested, &text);
	if (more) {
		if (text.left.len || text.right.len)
			prepend(&text.left, " ");
		prepend(&text.left, at.is_void ? "void" : "...");
		write_qualifiers(&text, false);
	}
	buf_puts(ret, buf_str(&text.left));
	buf_puts(ret, buf_str(&text.right));
	buf_deinit(&text.left);
	buf_deinit(&text.right);
}

void ctype_format(const struct ctype *t, struct buf *ret)
{
	format(t, 0, ret);
}
