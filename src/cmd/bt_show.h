/*
 * Stacks, as ktb bt shows them.
 */
#pragma once

#include "base/buf.h"
#include "base/rows.h"
#include "kernel/stack.h"
#include "kernel/symbolize.h"
#include "kernel/task.h"

struct bt_show {
	struct symbolizer *symbolizer;
	bool is_long;      /* addresses, too */
	bool is_core;      /* what can't be known now can't be known later, either */
	bool first;        /* nothing was shown yet */
	struct rows *rows; /* NULL: text */
	struct buf *text;  /* to which it is appended */
};

extern const struct rows_column bt_columns[];

/* The stack of a task. */
void bt_show_stack(struct bt_show *show, const struct task *t, const struct stack *s);
