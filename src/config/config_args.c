#include "config/values.h"

/* The option that the command takes, or else one of that name that others take; or NULL. */
static const struct option *find_flag(const char *flag, size_t len, enum command_id command)
{
	const struct option *found = NULL;

	for (size_t i = 0; i < OPTIONS_N; i++) {
		char own[OPTION_FLAG_MAX];

		option_flag(&options[i], own);
		if (strlen(own) != len || strncmp(own, flag, len) != 0)
			continue;
		if (options[i].commands & (1U << command))
			return &options[i];
		found = &options[i];
	}
	return found;
}

static struct err *unknown_flag(const char *arg, size_t len, enum command_id command)
{
	_cleanup_(free) char *wanted = xstrndup(arg, len);
	_cleanup_(free) char *nearest = NULL;
	int best = CONFIG_NEAR_ENOUGH + 1;

	for (size_t i = 0; i < OPTIONS_N; i++) {
		char own[OPTION_FLAG_MAX];
		int distance;

		if (!(options[i].commands & (1U << command)))
			continue;
		option_flag(&options[i], own);
		distance = edit_distance(wanted + 2, own);
		if (distance < best) {
			best = distance;
			free(nearest);
			nearest = xstrdup(own);
		}
	}
	if (nearest)
		return err_create(ERR_USAGE, "unknown option %s; did you mean --%s?", wanted, nearest);
	return err_create(ERR_USAGE, "unknown option %s", wanted);
}

struct args {
	int argc;
	char *const *argv;
	int i;
};

static struct err *take_value(struct args *a, const struct option *o, const char *flag, const char *attached,
			      const char **ret)
{
	if (attached) {
		*ret = attached;
		return NULL;
	}
	if (o && o->type == OPTION_TYPE_BOOL) {
		*ret = "yes";
		return NULL;
	}
	if (a->i + 1 >= a->argc)
		return err_create(ERR_USAGE, "%s needs a value%s%s", flag, o ? ": " : "", o ? o->arg : "");
	*ret = a->argv[++a->i];
	return NULL;
}

static struct err *apply_flag(struct config *c, const struct option *o, const char *flag, const char *value)
{
	struct config_value *v = &c->values[o - options];
	struct err *e = config_value_set(v, o, value, NULL, false);

	if (e) {
		struct err *usage = err_create(ERR_USAGE, "%s: %s", flag, err_message(e));

		err_destroy(e);
		return usage;
	}
	config_value_set_origin(v, xstrdup("command line"));
	return NULL;
}

static void note_given(struct config *c, unsigned int commands, const char *flag, const char *value)
{
	c->given = xreallocarray(c->given, c->given_n + 1, sizeof(*c->given));
	c->given[c->given_n++] = (struct config_given){ commands, xasprintf("--%s=%s", flag, value) };
}

static struct err *take_flag(struct config *c, const struct option *o, const char *flag, const char *value)
{
	char name[OPTION_FLAG_MAX];

	TRY(apply_flag(c, o, flag, value));
	option_flag(o, name);
	note_given(c, o->commands, name, value);
	return NULL;
}

static struct err *apply_kconfig_flag(struct config *c, const char *value)
{
	const char *equals = strchr(value, '=');
	_cleanup_(free) char *name = NULL;

	if (!equals)
		return err_create(ERR_USAGE, "--kconfig wants NAME=VALUE, not '%s'", value);
	name = xstrndup(value, (size_t)(equals - value));
	note_given(c, CONFIGURING, "kconfig", value);
	return config_add_kconfig(c, name, equals + 1, "command line", 0);
}

static struct err *parse_long(struct config *c, enum command_id command, struct args *a)
{
	const char *arg = a->argv[a->i];
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	_cleanup_(free) char *flag = xstrndup(arg, len);
	const struct option *o = find_flag(arg + 2, len - 2, command);
	const char *value;

	if (streq(flag, "--kconfig") && (CONFIGURING & (1U << command))) {
		TRY(take_value(a, NULL, flag, equals ? equals + 1 : NULL, &value));
		return apply_kconfig_flag(c, value);
	}
	if (!o)
		return unknown_flag(arg, len, command);
	if (!(o->commands & (1U << command)))
		return err_create(ERR_USAGE, "%s means nothing to this command", flag);
	TRY(take_value(a, o, flag, equals ? equals + 1 : NULL, &value));
	return take_flag(c, o, flag, value);
}

/* -x, -xVALUE, -x VALUE, and -xyz for switches. */
static struct err *parse_short(struct config *c, enum command_id command, struct args *a)
{
	const char *arg = a->argv[a->i];

	for (const char *p = arg + 1; *p; p++) {
		const char flag[3] = { '-', *p, '\0' };
		const struct option *o = NULL;
		const char *value;

		for (size_t i = 0; i < OPTIONS_N; i++) {
			if (options[i].short_flag == *p && (options[i].commands & (1U << command)))
				o = &options[i];
		}
		if (!o)
			return err_create(ERR_USAGE, "unknown option %s", flag);
		if (o->type == OPTION_TYPE_BOOL) {
			TRY(take_flag(c, o, flag, "yes"));
			continue;
		}
		TRY(take_value(a, o, flag, p[1] ? p + 1 : NULL, &value));
		return take_flag(c, o, flag, value);
	}
	return NULL;
}

struct err *config_parse_args(struct config *c, enum command_id command, int argc, char *const *argv,
			      struct strv *positional, struct strv *rest, bool *ret_help)
{
	struct args a = { .argc = argc, .argv = argv };

	*ret_help = false;
	for (; a.i < argc; a.i++) {
		const char *arg = argv[a.i];

		if (streq(arg, "--")) {
			strv_add_all(rest, (const char *const *)argv + a.i + 1);
			return NULL;
		}
		if (streq(arg, "--help") || streq(arg, "-h"))
			*ret_help = true;
		else if (skip_prefix(arg, "--"))
			TRY(parse_long(c, command, &a));
		else if (*arg == '-' && arg[1])
			TRY(parse_short(c, command, &a));
		else
			strv_add(positional, arg);
	}
	return NULL;
}

void config_args_for(const struct config *c, enum command_id command, struct strv *ret)
{
	for (size_t i = 0; i < c->given_n; i++) {
		if (c->given[i].commands & (1U << command))
			strv_add(ret, c->given[i].text);
	}
}

struct err *config_set(struct config *c, enum option_id id, const char *value)
{
	char name[OPTION_FLAG_MAX];
	_cleanup_(free) char *flag = NULL;

	option_flag(&options[id], name);
	flag = xasprintf("--%s", name);
	return apply_flag(c, &options[id], flag, value);
}
