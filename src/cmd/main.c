#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/process.h"
#include "cmd/cmd.h"

/* `ktb -h`, `ktb --help` and `ktb --version` are what everyone tries first. */
static const char *command_name(int argc, char *const *argv)
{
	if (argc < 2 || streq(argv[1], "-h") || streq(argv[1], "--help"))
		return "help";
	if (streq(argv[1], "-V") || streq(argv[1], "--version"))
		return "version";
	return argv[1];
}

static struct err *run_help_for(const struct command *c, struct config *cfg, int *ret_status)
{
	_cleanup_(strv_deinit) struct strv topic = STRV_INIT;
	const struct strv none = STRV_INIT;

	strv_add(&topic, c->name);
	return command_help.run(cfg, &topic, &none, ret_status);
}

/* Help must be there even where ktb.conf is broken, and so must what writes a new one. */
static bool needs_no_config(enum command_id id)
{
	return id == COMMAND_HELP || id == COMMAND_VERSION || id == COMMAND_COMPLETION || id == COMMAND_INIT;
}

static struct err *run(int argc, char *const *argv, int *ret_status)
{
	_cleanup_(config_destroy) struct config *cfg = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	const char *name = command_name(argc, argv);
	const struct command *c = command_find(name);
	bool help;

	if (!c)
		return command_unknown(name);
	if (!needs_no_config(c->id))
		TRY(config_load(cfg));
	TRY(config_parse_args(cfg, c->id, argc > 2 ? argc - 2 : 0, argv + MIN(argc, 2), &positional, &rest, &help));
	if (help)
		return run_help_for(c, cfg, ret_status);
	if (!c->takes_rest && rest.n)
		return err_create(ERR_USAGE, "ktb %s takes nothing behind --", c->name);
	if (!*c->args && positional.n)
		return err_create(ERR_USAGE, "ktb %s takes no argument '%s'%s", c->name, positional.v[0],
				  c->takes_rest ? " in front of --" : "");
	if (config_bool(cfg, OPT_OUTPUT_QUIET))
		log_level = LOG_LEVEL_QUIET;
	if (config_bool(cfg, OPT_OUTPUT_VERBOSE))
		log_level = LOG_LEVEL_DEBUG;
	return c->run(cfg, &positional, &rest, ret_status);
}

int main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int status = 0;
	_cleanup_(err_destroy) struct err *e = NULL;

	/* Whoever writes to a pipe looks at what write(2) says. */
	sigaction(SIGPIPE, &ignore, NULL);
	process_keep_inherited_private();
	e = run(argc, argv, &status);
	if (!e && fflush(stdout) == EOF)
		e = err_os(errno, "write the result");
	/* A reader that has seen enough, such as head(1), is none's fault. */
	if (!e || (ferror(stdout) && err_errno(e) == EPIPE))
		return status;
	log_error("%s", err_message(e));
	if (err_code(e) == ERR_USAGE && argc > 1 && command_find(argv[1]))
		log_debug("see: ktb help %s", argv[1]);
	return status ? status : err_exit_status(e);
}
