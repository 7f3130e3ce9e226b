/*
 * The Kconfig files of a kernel, read into symbols and the entries that define them: what is needed to say why an
 * option isn't as it was asked for. Nothing is decided here; that is `make olddefconfig`.
 *
 * Source: Documentation/kbuild/kconfig-language.rst and kconfig-macro-language.rst, scripts/kconfig/{lexer.l,parser.y}.
 *
 * All structures belong to the tree and live as long as it; text is NUL-terminated unless a length stands beside it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"

struct kconfig_entry;
struct kconfig_expr;
struct kconfig_symbol;

enum kconfig_type {
	KCONFIG_UNKNOWN,
	KCONFIG_BOOL,
	KCONFIG_TRISTATE,
	KCONFIG_INT,
	KCONFIG_HEX,
	KCONFIG_STRING,
};

enum kconfig_property_kind {
	KCONFIG_DEFAULT, /* value: an expression, or for a choice the symbol of a member */
	KCONFIG_SELECT,  /* target */
	KCONFIG_IMPLY,   /* target */
	KCONFIG_RANGE,   /* low, high */
};

struct kconfig_property {
	enum kconfig_property_kind kind;
	const struct kconfig_entry *entry; /* where it stands */
	int line;
	struct kconfig_symbol *target;
	const struct kconfig_expr *value, *low, *high;
	const struct kconfig_expr *condition;       /* `if`; NULL: always */
	const struct kconfig_property *next;        /* of the same entry, in their order */
	const struct kconfig_property *next_source; /* the next that selects, or implies, the same target */
};

enum kconfig_entry_kind {
	KCONFIG_ENTRY_CONFIG, /* config and menuconfig */
	KCONFIG_ENTRY_CHOICE,
	KCONFIG_ENTRY_MENU,
	KCONFIG_ENTRY_IF,
	KCONFIG_ENTRY_COMMENT,
};

struct kconfig_entry {
	enum kconfig_entry_kind kind;
	struct kconfig_symbol *symbol;      /* config */
	const struct kconfig_entry *parent; /* the choice, menu or if around it; NULL: none */
	const char *file;                   /* relative to the tree */
	int line;
	enum kconfig_type type;
	const char *prompt; /* NULL: none */
	int depth;          /* of nesting */
	/* Conditions; NULL: always. All of them count, and those of the parents. */
	const struct kconfig_expr *prompt_if;
	const struct kconfig_expr *depends;    /* for an `if`: its condition */
	const struct kconfig_expr *visible_if; /* of a menu */
	const struct kconfig_property *properties;
	const char *help; /* as it stands in the file; NULL: none */
	size_t help_len;
	const struct kconfig_entry *next;        /* in the order of the files */
	const struct kconfig_entry *next_of;     /* the next definition of the same symbol */
	const struct kconfig_entry *choice;      /* of which this is a member, or NULL */
	const struct kconfig_entry *members;     /* of a choice: the first one */
	const struct kconfig_entry *next_member; /* of the same choice */
	bool optional;                           /* a choice that can be left without a member */
};

struct kconfig_symbol {
	const char *name;
	enum kconfig_type type;
	const struct kconfig_entry *entries;              /* NULL: named, but defined nowhere */
	const struct kconfig_property *selects, *implies; /* by which others do that to it */
	const struct kconfig_symbol *next;                /* in the order in which they were first named */
};

struct kconfig_tree;

/* Where the files come from. */
struct kconfig_reader {
	/* Appends the file at path, which is relative to the tree, to *ret. */
	struct err *(*read)(void *data, const char *path, struct buf *ret);
	void *data;
	const char *arch; /* as in arch/NAME: $(SRCARCH) */
};

/* Files below the folder `srctree`, which must stay valid. */
struct kconfig_reader kconfig_reader_folder(const char *srctree, const char *arch);

/*
 * Reads the file `Kconfig` and all that it sources. ERR_BAD_DATA, with file and line, for what is not Kconfig; what
 * the reader returns for a file that can't be read, with the place where it is sourced.
 */
struct err *kconfig_tree_load(const struct kconfig_reader *reader, struct kconfig_tree **ret) err_must_check;
void kconfig_tree_destroy(struct kconfig_tree *t);
DEFINE_CLEANUP(struct kconfig_tree *, kconfig_tree_destroy);

/* NULL if the tree neither defines nor names it. */
const struct kconfig_symbol *kconfig_tree_find(const struct kconfig_tree *t, const char *name);
/* The first of all; go on with ->next. */
const struct kconfig_symbol *kconfig_tree_symbols(const struct kconfig_tree *t);
const struct kconfig_entry *kconfig_tree_entries(const struct kconfig_tree *t);
/* The symbol without which m is not to be had (MODULES), or NULL. */
const struct kconfig_symbol *kconfig_tree_modules(const struct kconfig_tree *t);
/* Defined names that are near to `name`, the nearest first, at most max. */
void kconfig_tree_nearest(const struct kconfig_tree *t, const char *name, size_t max, struct strv *ret);

/* Adds the help text, its indentation taken away. Nothing if there is none. */
void kconfig_help(const struct kconfig_entry *e, struct buf *b);
