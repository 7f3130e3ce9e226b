/*
 * What `ktb up` tells tmux, and what runs in its panes. Pure: texts made of texts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/util.h"

struct up_layout {
	const char *tmux;    /* program */
	const char *ktb;     /* this program */
	const char *folder;  /* of this session: what follows is in it */
	const char *name;    /* of the VM */
	bool nested;         /* in a tmux of the user's, whose keys go before ours */
	uint16_t rows, cols; /* of the window */
	/* Arguments for ktb vm and ktb gdb; those behind -- of the latter. */
	const struct strv *vm_args, *gdb_args, *gdb_rest;
};

/* Files in the folder. */
#define UP_SOCKET "tmux.sock"
#define UP_LEFT UP_SOCKET ".left" /* made by the key that leaves */
#define UP_CONF "tmux.conf"
#define UP_VM_SCRIPT "vm.sh"
#define UP_GDB_SCRIPT "gdb.sh"
#define UP_GO "go"            /* made when GDB may start */
#define UP_VM_PID "vm.pid"    /* of ktb vm */
#define UP_GDB_PID "gdb.pid"  /* of what runs in GDB's pane */
#define UP_VM_STATUS "status" /* exit status of ktb vm, when that has ended */
#define UP_VM_SCREEN "screen" /* what stood in its pane then, if it is not 0 */

enum { UP_ROWS_MIN = 8, UP_COLS_MIN = 20, UP_SIDE_BY_SIDE_COLS = 140 };

/* The configuration of a tmux server that serves nothing else. */
void up_tmux_conf(const struct up_layout *l, struct buf *ret);
/* Scripts of the two panes. */
void up_vm_script(const struct up_layout *l, struct buf *ret);
void up_gdb_script(const struct up_layout *l, struct buf *ret);
/* The command line that starts the server and shows it on this terminal. */
void up_tmux_argv(const struct up_layout *l, struct strv *ret);
