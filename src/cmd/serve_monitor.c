#include "cmd/serve_monitor.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/cmd.h"

enum { TIMEOUT_MS = 60000, OUTPUT_MAX = 16 << 20, PIECE = 1 << 16 };

/* Of the commands of ktb, those that look at the kernel of a VM that stands still. */
static const struct command *const commands[] = {
	&command_ps, &command_bt, &command_dmesg, &command_lsmod, &command_read, &command_sym,
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (streq(name, commands[i]->name))
			return commands[i];
	}
	return NULL;
}

/* The first word, which is what tells whether the line is one of ours. The caller frees it. */
static char *first_word(const char *line)
{
	const char *word = line + strspn(line, " \t");

	return xstrndup(word, strcspn(word, " \t"));
}

/* --- Help --- */

static void add_help(struct buf *b, const char *name, const char *args, const char *summary)
{
	_cleanup_(free) char *both = xasprintf("%s %s", name, args);

	buf_printf(b, "  %-28s %s\n", strip(both), summary);
}

static void help(target_output output, void *user)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	buf_puts(&b,
		 "What looks at the kernel, with the arguments that ktb takes in a shell (NAME --help shows them):\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		add_help(&b, commands[i]->name, commands[i]->args, commands[i]->summary);
	buf_puts(&b, "Besides:\n");
	add_help(&b, "tasks", "[all|off|PID|NAME]",
		 "sleeping tasks as threads: all, none, those of a process, or with NAME in their name");
	add_help(&b, "help", "", "this");
	buf_puts(&b, "All else goes to QEMU's monitor, whose own help is: monitor ?\n");
	output(b.data, b.len, user);
}

/* --- Commands --- */

/* What would never come to an end is refused here; what is wrong otherwise the command says itself. */
static struct err *check(const struct command *c, const struct strv *args)
{
	_cleanup_(config_destroy) struct config *cfg = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	bool unused;

	TRY(config_parse_args(cfg, c->id, (int)args->n, args->v, &positional, &rest, &unused));
	if (c->id == COMMAND_DMESG && config_bool(cfg, OPT_INSPECT_FOLLOW))
		return err_create(
			ERR_USAGE,
			"nothing more comes while the guest stands still; in a shell, ktb dmesg --follow shows "
			"what comes when it goes on");
	return NULL;
}

/* What the process is lent, and by which descriptors; -1: nothing. */
struct lent {
	const struct lender *lender;
	int ours, theirs;
	char *env;
};

static void lent_deinit(struct lent *l)
{
	closep(&l->ours);
	closep(&l->theirs);
	free(l->env);
}
DEFINE_CLEANUP_STORAGE(struct lent, lent_deinit);

/* False: it asks nothing any more. */
static bool answer(const struct lent *l)
{
	struct err *e = lend_answer(l->lender, l->ours);

	err_ignore(e);
	return !e;
}

/* Passes on what the process prints until it has ended, or closed its output. */
static struct err *pass_on(int fd, const struct lent *lent, target_output output, void *user)
{
	_cleanup_(free) char *piece = xreallocarray(NULL, PIECE, 1);
	uint64_t end = now_ns() + TIMEOUT_MS * (NSEC_PER_SEC / 1000);
	int lent_fd = lent->ours;
	size_t total = 0;

	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = lent_fd, .events = POLLIN } };
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= end)
			return err_create(ERR_TIMEOUT, "it takes longer than a minute, and was ended");
		n = poll(p, ARRAY_SIZE(p), (int)((end - now) / (NSEC_PER_SEC / 1000)) + 1);
		if (n < 0 && errno != EINTR)
			return err_os(errno, "wait for its output");
		if (n <= 0)
			continue;
		if (p[1].revents && !answer(lent))
			lent_fd = -1;
		if (!p[0].revents)
			continue;
		n = read(fd, piece, PIECE);
		if (n < 0 && errno != EINTR)
			return err_os(errno, "read its output");
		if (!n)
			return NULL;
		if (n < 0)
			continue;
		output(piece, (size_t)n, user);
		total += (size_t)n;
		if (total > OUTPUT_MAX)
			return err_create(ERR_UNSUPPORTED,
					  "it prints more than 16 MiB, and was ended; try it in a shell");
	}
}

static struct err *run(const struct strv *argv, const struct lender *lender, target_output output, void *user)
{
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(close) int from = -1, to = -1;
	_cleanup_(lent_deinit) struct lent lent = { .lender = lender, .ours = -1, .theirs = -1 };
	_cleanup_(free) char *how = NULL;
	struct process_options o = PROCESS_OPTIONS_INIT;
	const char *env[] = { NULL, NULL };
	int status;

	TRY(process_pipe(&from, &to));
	o.argv = (const char *const *)argv->v;
	o.stdout_fd = to;
	o.stderr_fd = to;
	o.new_session = true; /* nothing to read, and no terminal */
	o.die_with_parent = true;
	if (lender) {
		TRY(lend_pair(&lent.ours, &lent.theirs, &lent.env));
		env[0] = lent.env;
		o.env = env;
		o.keep_fds = &lent.theirs;
		o.keep_fds_n = 1;
	}
	TRY(process_spawn(&o, &p));
	close(steal_fd(&to));
	if (lender)
		close(steal_fd(&lent.theirs));
	TRY(pass_on(from, &lent, output, user));
	TRY(process_wait_timeout(&p, TIMEOUT_MS, &status));
	if (WIFEXITED(status))
		return NULL;
	how = process_describe_status(status);
	return err_create(ERR_OS, "its process was %s; the session goes on", how);
}

static struct err *execute(const struct command *c, const char *vm, const struct lender *lender, const char *line,
			   target_output output, void *user)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT, args = STRV_INIT, argv = STRV_INIT;

	TRY(strv_split_quoted(&words, line));
	for (size_t i = 1; i < words.n; i++)
		strv_add(&args, words.v[i]);
	TRY(check(c, &args));
	/* This very program, wherever it lies, even if another has taken its place there. */
	strv_add(&argv, "/proc/self/exe");
	strv_add(&argv, c->name);
	strv_addf(&argv, "--name=%s", vm);
	/* It may stand in a ktb.conf. */
	if (c->id == COMMAND_DMESG)
		strv_add(&argv, "--follow=no");
	for (size_t i = 0; i < args.n; i++)
		strv_add(&argv, args.v[i]);
	return run(&argv, lender, output, user);
}

struct err *serve_monitor(const char *vm, const struct lender *lender, const char *line, target_output output,
			  void *user, bool *ret_known)
{
	_cleanup_(free) char *name = first_word(line), *rest = xstrdup(line + strspn(line, " \t") + strlen(name));
	const struct command *c = find(name);

	*ret_known = true;
	if (streq(name, "help") && !*strip(rest)) {
		help(output, user);
		return NULL;
	}
	if (c)
		return err_wrap(execute(c, vm, lender, line, output, user), "monitor %s", name);
	*ret_known = false;
	return NULL;
}
