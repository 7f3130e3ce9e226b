#include <errno.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "kbuild/tarball.h"
#include "kbuild/tree.h"

static const char conf[] = "ktb.conf";

/* Whether it can be built from, and can stand in ktb.conf as it was given. */
static struct err *check_source(const char *source)
{
	struct err *e;

	if (!is_directory(source) && file_exists(source) && tarball_is_named(source))
		return tree_check_name(source);
	TRY(tree_check(source));
	TRY(tree_check_name(source));
	/* That can be mended later. */
	e = tree_check_clean(source);
	if (e)
		log_warn("%s", err_message(e));
	err_destroy(e);
	return NULL;
}

static struct err *write_conf(const struct buf *text, bool force)
{
	mode_t mask = umask(0), mode = 0666 & ~mask;
	struct err *e;

	umask(mask);
	e = force ? write_file_atomic(conf, text->data, text->len, mode)
		  : write_file_new(conf, text->data, text->len, mode);
	if (!e || err_errno(e) != EEXIST)
		return e;
	err_destroy(e);
	return err_create(ERR_USAGE,
			  "there is a ktb.conf in this folder already. ktb help ktb.conf prints what a new one would "
			  "have; --force writes over this one");
}

/* One further up no longer counts here. */
static void tell_of_outer_conf(const char *folder)
{
	_cleanup_(free) char *parent = xstrdup(folder), *outer = NULL;
	char *slash = strrchr(parent, '/');

	if (!slash || streq(parent, "/"))
		return;
	slash[slash == parent] = '\0';
	outer = config_find(parent);
	if (outer)
		log_info("in this folder it takes the place of %s", outer);
}

static struct err *cmd_init(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	const char *source = config_string(cfg, OPT_INIT_KERNEL);
	_cleanup_(free) char *cwd = getcwd(NULL, 0);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	(void)positional;
	(void)rest;
	(void)ret_status;
	if (!cwd)
		return err_os(errno, "find out the working folder");
	if (source)
		TRY(check_source(source));
	config_template(source, &text);
	TRY(write_conf(&text, config_bool(cfg, OPT_INIT_FORCE)));
	log_info("wrote %s/%s%s%s", streq(cwd, "/") ? "" : cwd, conf, source ? ", for the kernel in " : "",
		 source ? source : "");
	tell_of_outer_conf(cwd);
	log_info("next: edit it, and then ktb build, or ktb vm");
	return NULL;
}

const struct command command_init = {
	.id = COMMAND_INIT,
	.name = "init",
	.args = "",
	.summary = "write a ktb.conf with every option and its default",
	.description = "Writes ktb.conf into the working folder. Every option is in it, with its help and its default, "
		       "commented\n"
		       "out. With --kernel, kernel.source is set to a kernel tree of your own. A ktb.conf that is "
		       "there already\n"
		       "is not touched without --force.",
	.examples = "  ktb init\n"
		    "  ktb init --force --kernel ~/src/linux",
	.run = cmd_init,
};
