/*
 * inih reads the lines and knows sections, comments and continuations; the table in options.def knows what may stand
 * there. inih's handler is not told the line's number in every build of the library, so our reader counts.
 */
#include "config/config.h"

#include <ini.h>
#include <limits.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/fs.h"

enum { CONFIG_FILE_MAX = 1 << 20, NEAR_ENOUGH = 3 };

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

struct value {
	char *text; /* everything but lists */
	struct strv list;
	uint64_t number; /* numbers, sizes, bools */
	char *origin;
};

struct config {
	struct value values[OPTIONS_N];
	struct config_kconfig *kconfig;
	size_t kconfig_n;
};

static bool is_list(enum option_type type)
{
	return type == OPTION_TYPE_LIST || type == OPTION_TYPE_PATH_LIST;
}

static struct err *parse_bool(const char *s, uint64_t *ret)
{
	static const char *const words[2][4] = { { "no", "n", "false", "0" }, { "yes", "y", "true", "1" } };

	for (uint64_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < 4; j++) {
			if (streq(s, words[i][j])) {
				*ret = i;
				return NULL;
			}
		}
	}
	return err_create(ERR_USAGE, "'%s' is neither yes nor no", s);
}

/* Is it one of the words that a choice lists? */
static bool is_word_of(const struct option *o, const char *s)
{
	const char *p = o->arg;

	while (*p) {
		size_t n = strcspn(p, "|");

		if (strlen(s) == n && strncmp(p, s, n) == 0)
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

static struct err *check_choice(const struct option *o, const char *s)
{
	if (is_word_of(o, s))
		return NULL;
	return err_create(ERR_USAGE, "'%s' is not one of %s", s, o->arg);
}

/* Lists grow; all else is replaced. `folder` is what relative paths are relative to. */
static struct err *set_value(struct value *v, const struct option *o, const char *s, const char *folder,
			     bool split_lists)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	uint64_t number = 0;
	bool is_path = false;

	switch (o->type) {
	case OPTION_TYPE_NUMBER:
		TRY(parse_u64(s, INT_MAX, &number));
		break;
	case OPTION_TYPE_SIZE:
		TRY(parse_size(s, MIB, &number));
		break;
	case OPTION_TYPE_BOOL:
		TRY(parse_bool(s, &number));
		break;
	case OPTION_TYPE_CHOICE:
		TRY(check_choice(o, s));
		break;
	case OPTION_TYPE_LIST:
	case OPTION_TYPE_PATH_LIST:
		if (split_lists)
			TRY(strv_split_quoted(&words, s));
		else
			strv_add(&words, s);
		for (size_t i = 0; i < words.n; i++)
			strv_take(&v->list, o->type == OPTION_TYPE_LIST ? xstrdup(words.v[i])
									: path_absolute(words.v[i], folder));
		return NULL;
	case OPTION_TYPE_PATH:
		is_path = *s;
		break;
	case OPTION_TYPE_CHOICE_OR_PATH:
		is_path = *s && !is_word_of(o, s);
		break;
	case OPTION_TYPE_STRING:
		break;
	}
	free(v->text);
	v->text = is_path ? path_absolute(s, folder) : xstrdup(s);
	v->number = number;
	return NULL;
}

static void set_origin(struct value *v, char *origin)
{
	free(v->origin);
	v->origin = origin;
}

struct config *config_create(void)
{
	struct config *c = xcalloc(1, sizeof(*c));

	for (size_t i = 0; i < OPTIONS_N; i++) {
		struct err *e = is_list(options[i].type) && !*options[i].def
					? NULL
					: set_value(&c->values[i], &options[i], options[i].def, NULL, true);

		if (e)
			abort(); /* the table itself is wrong */
	}
	return c;
}

void config_destroy(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		free(c->values[i].text);
		free(c->values[i].origin);
		strv_deinit(&c->values[i].list);
	}
	for (size_t i = 0; i < c->kconfig_n; i++) {
		free(c->kconfig[i].name);
		free(c->kconfig[i].value);
		free(c->kconfig[i].file);
	}
	free(c->kconfig);
	free(c);
}

/* The option itself, or NULL; *ret_near is then the nearest one, if any is near. */
static const struct option *find_key(const char *section, const char *name, const struct option **ret_near)
{
	_cleanup_(free) char *wanted = xasprintf("%s.%s", section, name);
	int best = NEAR_ENOUGH + 1;

	*ret_near = NULL;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		_cleanup_(free) char *key = xasprintf("%s.%s", options[i].section, options[i].name);
		int distance = edit_distance(wanted, key);

		if (distance == 0)
			return &options[i];
		/* The right name in the wrong section is near as well. */
		if (streq(name, options[i].name))
			distance = 1;
		if (distance < best) {
			best = distance;
			*ret_near = &options[i];
		}
	}
	return NULL;
}

static struct err *add_kconfig(struct config *c, const char *name, const char *value, const char *file, int line)
{
	const char *bare = skip_prefix(name, "CONFIG_");

	if (!bare)
		bare = name;
	if (!*bare || strspn(bare, NAME_CHARACTERS) != strlen(bare))
		return err_create(ERR_USAGE, "'%s' is not the name of a kernel option", name);
	if (!*value)
		return err_create(ERR_USAGE, "%s has no value: y, m, n, a number or a string", bare);
	c->kconfig = xreallocarray(c->kconfig, c->kconfig_n + 1, sizeof(*c->kconfig));
	c->kconfig[c->kconfig_n++] = (struct config_kconfig){
		.name = xstrdup(bare),
		.value = xstrdup(value),
		.file = xstrdup(file),
		.line = line,
	};
	return NULL;
}

static struct err *set_key(struct config *c, const char *section, const char *name, const char *value, const char *path,
			   const char *folder, int line)
{
	const struct option *near = NULL, *o;

	if (streq(section, "kconfig"))
		return add_kconfig(c, name, value, path, line);
	o = find_key(section, name, &near);
	if (!o && !*section)
		return err_create(ERR_USAGE, "'%s' stands before any [section]%s%s%s", name,
				  near ? "; did you mean [" : "", near ? near->section : "", near ? "]?" : "");
	if (!o && near)
		return err_create(ERR_USAGE, "no option '%s' in [%s]; did you mean '%s' in [%s]?", name, section,
				  near->name, near->section);
	if (!o)
		return err_create(ERR_USAGE, "no option '%s' in [%s]; ktb help lists them all", name, section);
	TRY(err_wrap(set_value(&c->values[o - options], o, value, folder, true), "%s", name));
	set_origin(&c->values[o - options], xasprintf("%s:%d", path, line));
	return NULL;
}

/* An indented line: more of a list, or of a text. */
static struct err *continue_key(struct config *c, const char *section, const char *name, const char *value,
				const char *folder)
{
	const struct option *near = NULL, *o = streq(section, "kconfig") ? NULL : find_key(section, name, &near);
	_cleanup_(free) char *joined = NULL;
	struct value *v;

	if (!o || (!is_list(o->type) && o->type != OPTION_TYPE_STRING))
		return err_create(ERR_USAGE, "an indented line continues the value above, but %s takes one line", name);
	v = &c->values[o - options];
	if (is_list(o->type))
		return err_wrap(set_value(v, o, value, folder, true), "%s", name);
	joined = xasprintf("%s%s%s", v->text, *v->text ? " " : "", value);
	return err_wrap(set_value(v, o, joined, folder, true), "%s", name);
}

struct parse_state {
	struct config *config;
	const char *path;
	const char *folder;
	const char *data, *end;
	int line;
	bool kconfig;      /* in [kconfig] */
	bool has_key;      /* there is a line to be continued */
	bool continuing;   /* this line continues it */
	struct err *error; /* the first one of ours */
	int error_line;
};

/*
 * inih takes an indented line for more of the value above it. An indented `name = value`, though, is a setting like any
 * other: git's style is common, and half a configuration must not vanish into a value.
 */
static bool is_setting(const struct parse_state *s, const char *text)
{
	size_t n = strspn(text, NAME_CHARACTERS);

	if (!n || text[n + strspn(text + n, " \t")] != '=')
		return false;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (strlen(options[i].name) == n && strncmp(options[i].name, text, n) == 0)
			return true;
	}
	return s->kconfig;
}

/* Decides what the line is, and cuts off an indentation that means nothing. Returns where inih is to begin. */
static char *classify(struct parse_state *s, char *line)
{
	char *text = line + strspn(line, " \t");

	s->continuing = false;
	if (strchr(";#\r\n", *text))
		return text;
	if (*text == '[') {
		s->kconfig = skip_prefix(text, "[kconfig]") != NULL;
		s->has_key = false;
		return text;
	}
	if (text > line && s->has_key && !is_setting(s, text)) {
		s->continuing = true;
		return line;
	}
	s->has_key = true;
	return text;
}

/* Files and lines in front, and the code that says that it is the user's to mend. */
static void parse_failed(struct parse_state *s, struct err *e)
{
	if (!s->error) {
		s->error = err_create(ERR_USAGE, "%s:%d: %s", s->path, s->line, err_message(e));
		s->error_line = s->line;
	}
	err_destroy(e);
}

/* inih knows comments behind a value only with ';'. One with '#' begins where that follows white space, unquoted. */
static void cut_comment(char *line)
{
	char quote = '\0';

	for (char *p = line; *p; p++) {
		if (quote) {
			if (*p == quote)
				quote = '\0';
		} else if (*p == '"' || *p == '\'') {
			quote = *p;
		} else if (*p == '#' && p > line && (p[-1] == ' ' || p[-1] == '\t')) {
			p[0] = '\n';
			p[1] = '\0';
			return;
		}
	}
}

static char *next_line(char *to, int size, void *stream)
{
	struct parse_state *s = stream;
	const char *newline;
	char *text;
	size_t n;

	if (s->data == s->end || s->error)
		return NULL;
	newline = memchr(s->data, '\n', (size_t)(s->end - s->data));
	n = newline ? (size_t)(newline - s->data) + 1 : (size_t)(s->end - s->data);
	s->line++;
	if (n >= (size_t)size) {
		parse_failed(s,
			     err_create(ERR_USAGE, "the line is longer than %d bytes; go on in the next line, indented",
					size - 1));
		return NULL;
	}
	if (memchr(s->data, '\0', n)) {
		parse_failed(s, err_create(ERR_USAGE, "there is a NUL byte in the line"));
		return NULL;
	}
	memcpy(to, s->data, n);
	to[n] = '\0';
	cut_comment(to);
	s->data += n;
	text = classify(s, to);
	memmove(to, text, strlen(text) + 1);
	return to;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parse_state *s = user;
	struct err *e;

	if (s->continuing)
		e = continue_key(s->config, section, name, value, s->folder);
	else
		e = set_key(s->config, section, name, value, s->path, s->folder, s->line);
	if (e)
		parse_failed(s, e);
	return e == NULL;
}

struct err *config_parse(struct config *c, const char *path, const char *data, size_t len)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(free) char *folder = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	struct parse_state s = { .config = c, .path = path, .folder = folder, .data = data, .end = data + len };
	int bad_line = ini_parse_stream(next_line, &s, on_pair, &s);

	/* inih goes on behind a line that it can't make sense of: what we found may come after that. */
	if (s.error && (bad_line <= 0 || bad_line >= s.error_line))
		return s.error;
	err_destroy(s.error);
	if (bad_line > 0)
		return err_create(ERR_USAGE, "%s:%d: expected [section] or name = value", path, bad_line);
	if (bad_line < 0)
		return err_create(ERR_OS, "%s: inih failed (%d)", path, bad_line);
	return NULL;
}

struct err *config_load_file(struct config *c, const char *path)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	TRY(read_file(path, CONFIG_FILE_MAX, &b));
	return config_parse(c, path, buf_str(&b), b.len);
}

char *config_find(const char *folder)
{
	_cleanup_(free) char *dir = xstrdup(folder);

	for (;;) {
		_cleanup_(free) char *path = xasprintf("%s/ktb.conf", streq(dir, "/") ? "" : dir);
		char *slash;

		if (file_exists(path))
			return steal(&path);
		slash = strrchr(dir, '/');
		if (!slash || streq(dir, "/"))
			return NULL;
		if (slash == dir)
			slash++;
		*slash = '\0';
	}
}

/* $XDG_CONFIG_HOME/ktb/ktb.conf, or ~/.config/ktb/ktb.conf; NULL without a home. */
static char *user_file(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return xasprintf("%s/ktb/ktb.conf", xdg);
	if (home && *home == '/')
		return xasprintf("%s/.config/ktb/ktb.conf", home);
	return NULL;
}

struct err *config_load(struct config *c)
{
	_cleanup_(free) char *user = user_file();
	_cleanup_(free) char *cwd = getcwd(NULL, 0);
	_cleanup_(free) char *project = cwd ? config_find(cwd) : NULL;

	if (user && file_exists(user))
		TRY(config_load_file(c, user));
	if (project)
		TRY(config_load_file(c, project));
	return NULL;
}

static const struct option *find_flag(const char *flag, size_t len)
{
	for (size_t i = 0; i < OPTIONS_N; i++) {
		char own[OPTION_FLAG_MAX];

		option_flag(&options[i], own);
		if (strlen(own) == len && strncmp(own, flag, len) == 0)
			return &options[i];
	}
	return NULL;
}

static struct err *unknown_flag(const char *arg, size_t len, enum command_id command)
{
	_cleanup_(free) char *wanted = xstrndup(arg, len);
	_cleanup_(free) char *nearest = NULL;
	int best = NEAR_ENOUGH + 1;

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
	struct value *v = &c->values[o - options];
	struct err *e = set_value(v, o, value, NULL, false);

	if (e) {
		struct err *usage = err_create(ERR_USAGE, "%s: %s", flag, err_message(e));

		err_destroy(e);
		return usage;
	}
	set_origin(v, xstrdup("command line"));
	return NULL;
}

static struct err *apply_kconfig_flag(struct config *c, const char *value)
{
	const char *equals = strchr(value, '=');
	_cleanup_(free) char *name = NULL;

	if (!equals)
		return err_create(ERR_USAGE, "--kconfig wants NAME=VALUE, not '%s'", value);
	name = xstrndup(value, (size_t)(equals - value));
	return add_kconfig(c, name, equals + 1, "command line", 0);
}

static struct err *parse_long(struct config *c, enum command_id command, struct args *a)
{
	const char *arg = a->argv[a->i];
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	_cleanup_(free) char *flag = xstrndup(arg, len);
	const struct option *o = find_flag(arg + 2, len - 2);
	const char *value;

	if (streq(flag, "--kconfig") && (BUILDING & (1U << command))) {
		TRY(take_value(a, NULL, flag, equals ? equals + 1 : NULL, &value));
		return apply_kconfig_flag(c, value);
	}
	if (!o)
		return unknown_flag(arg, len, command);
	if (!(o->commands & (1U << command)))
		return err_create(ERR_USAGE, "%s means nothing to this command", flag);
	TRY(take_value(a, o, flag, equals ? equals + 1 : NULL, &value));
	return apply_flag(c, o, flag, value);
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
			TRY(apply_flag(c, o, flag, "yes"));
			continue;
		}
		TRY(take_value(a, o, flag, p[1] ? p + 1 : NULL, &value));
		return apply_flag(c, o, flag, value);
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

const char *config_string(const struct config *c, enum option_id id)
{
	const char *text = c->values[id].text;

	return text && *text ? text : NULL;
}

uint64_t config_number(const struct config *c, enum option_id id)
{
	return c->values[id].number;
}

bool config_bool(const struct config *c, enum option_id id)
{
	return c->values[id].number != 0;
}

const struct strv *config_list(const struct config *c, enum option_id id)
{
	return &c->values[id].list;
}

struct err *config_set(struct config *c, enum option_id id, const char *value)
{
	char name[OPTION_FLAG_MAX];
	_cleanup_(free) char *flag = NULL;

	option_flag(&options[id], name);
	flag = xasprintf("--%s", name);
	return apply_flag(c, &options[id], flag, value);
}

const char *config_origin(const struct config *c, enum option_id id)
{
	return c->values[id].origin;
}

const struct config_kconfig *config_kconfig(const struct config *c, size_t *ret_n)
{
	*ret_n = c->kconfig_n;
	return c->kconfig;
}
