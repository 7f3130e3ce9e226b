#include "cmd/up_layout.h"

void up_tmux_conf(const struct up_layout *l, struct buf *b)
{
	/* Within another tmux the usual prefix would never reach this one; all that is needed has a key of its own. */
	buf_printf(b, "set -g prefix %s\n", l->nested ? "None" : "C-b");
	buf_puts(b, "set -g default-shell /bin/sh\n"
		    "set -g default-terminal screen\n"
		    "set -s escape-time 25\n"
		    "set -g history-limit 50000\n"
		    "set -g set-titles off\n"
		    "set -g destroy-unattached on\n"
		    "set -g detach-on-destroy on\n"
		    "bind -n F12 run-shell 'touch #{q:socket_path}.left' \\; kill-server\n"
		    "bind -n F9 select-pane -t :.+\n"
		    "bind -n F8 resize-pane -Z\n"
		    "bind -n S-PPage copy-mode -eu\n"
		    "set -g pane-border-status top\n"
		    "set -g pane-border-format ' #{@what} '\n"
		    "set -g status-style reverse\n"
		    "set -g status-left ' ktb up'\n"
		    "set -g window-status-format ''\n"
		    "set -g window-status-current-format ''\n"
		    "set -g status-right-length 100\n"
		    "set -g status-right 'F12 ends VM and GDB | F9 other | F8 zoom | Shift-PgUp scroll '\n");
}

static void put_quoted(struct buf *b, const char *word)
{
	_cleanup_(free) char *quoted = shell_quote(word);

	buf_printf(b, " %s", quoted);
}

static void put_command(const struct up_layout *l, const char *command, const struct strv *args, struct buf *b)
{
	_cleanup_(free) char *ktb = shell_quote(l->ktb);

	buf_printf(b, "%s %s", ktb, command);
	for (size_t i = 0; i < args->n; i++)
		put_quoted(b, args->v[i]);
}

/* The status is written last: then all that belongs to it is there. */
void up_vm_script(const struct up_layout *l, struct buf *b)
{
	_cleanup_(free) char *folder = shell_quote(l->folder), *tmux = shell_quote(l->tmux);

	buf_printf(b, "cd_to=$PWD\ncd %s || exit\n", folder);
	buf_puts(b, "sh -c 'echo $$ >" UP_VM_PID "; cd \"$1\" && shift && exec \"$@\"' sh \"$cd_to\" ");
	put_command(l, "vm", l->vm_args, b);
	buf_printf(b,
		   "\nstatus=$?\n"
		   "[ $status = 0 ] || %s -S " UP_SOCKET " capture-pane -t \"$TMUX_PANE\" -p -J -S -200 >" UP_VM_SCREEN
		   "\n"
		   "echo $status >" UP_VM_STATUS ".new\n"
		   "mv " UP_VM_STATUS ".new " UP_VM_STATUS "\n"
		   "%s -S " UP_SOCKET " kill-server\n",
		   tmux, tmux);
}

/* An interrupt is for GDB, and doesn't end the loop around it. */
void up_gdb_script(const struct up_layout *l, struct buf *b)
{
	_cleanup_(free) char *folder = shell_quote(l->folder);

	buf_printf(b,
		   "trap : INT\n"
		   "echo $$ >%s/" UP_GDB_PID "\n"
		   "echo 'GDB attaches when the guest has booted, or has stopped before.'\n"
		   "until [ -e %s/" UP_GO " ]; do\n"
		   "\t[ -d %s ] || exit\n"
		   "\tsleep 0.1\n"
		   "done\n"
		   "while :; do\n",
		   folder, folder, folder);
	put_command(l, "gdb", l->gdb_args, b);
	if (l->gdb_rest->n)
		buf_puts(b, " --");
	for (size_t i = 0; i < l->gdb_rest->n; i++)
		put_quoted(b, l->gdb_rest->v[i]);
	buf_puts(b,
		 "\n"
		 "\techo\n"
		 "\techo \"GDB has ended (status $?); the VM runs on. Enter starts it again, F12 ends the VM too.\"\n"
		 "\tread -r line || exit\n"
		 "done\n");
}

static void add_script(const struct up_layout *l, const char *name, struct strv *argv)
{
	strv_add(argv, "sh");
	strv_addf(argv, "%s/%s", l->folder, name);
}

void up_tmux_argv(const struct up_layout *l, struct strv *argv)
{
	strv_add(argv, l->tmux);
	strv_add(argv, "-S");
	strv_addf(argv, "%s/" UP_SOCKET, l->folder);
	strv_add(argv, "-f");
	strv_addf(argv, "%s/" UP_CONF, l->folder);
	strv_add_all(argv, (const char *const[]){ "new-session", "-s", "ktb", NULL });
	add_script(l, UP_VM_SCRIPT, argv);
	strv_add_all(argv, (const char *const[]){ ";", "set-option", "-p", "@what", NULL });
	strv_addf(argv, "VM '%s'", l->name);
	strv_add_all(argv,
		     (const char *const[]){ ";", "split-window", l->cols >= UP_SIDE_BY_SIDE_COLS ? "-h" : "-v", NULL });
	add_script(l, UP_GDB_SCRIPT, argv);
	strv_add_all(argv, (const char *const[]){ ";", "set-option", "-p", "@what", "GDB", NULL });
}
