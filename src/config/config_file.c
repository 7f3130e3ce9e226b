/*
 * inih reads the lines and knows sections, comments and continuations; the table in options.def knows what may stand
 * there. inih's handler is not told the line's number in every build of the library, so our reader counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "config/values.h"

enum { CONFIG_FILE_MAX = 1 << 20 };

/* The option itself, or NULL; *ret_near is then the nearest one, if any is near. */
static const struct option *find_key(const char *section, const char *name, const struct option **ret_near)
{
	_cleanup_(free) char *wanted = xasprintf("%s.%s", section, name);
	int best = CONFIG_NEAR_ENOUGH + 1;

	*ret_near = NULL;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (!*options[i].section)
			continue;

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

static struct err *set_key(struct config *c, const char *section, const char *name, const char *value, const char *path,
			   const char *folder, int line)
{
	const struct option *near = NULL, *o;

	if (streq(section, "kconfig"))
		return config_add_kconfig(c, name, value, path, line);
	o = find_key(section, name, &near);
	if (!o && !*section)
		return err_create(ERR_USAGE, "'%s' stands before any [section]%s%s%s", name,
				  near ? "; did you mean [" : "", near ? near->section : "", near ? "]?" : "");
	if (!o && near)
		return err_create(ERR_USAGE, "no option '%s' in [%s]; did you mean '%s' in [%s]?", name, section,
				  near->name, near->section);
	if (!o)
		return err_create(ERR_USAGE, "no option '%s' in [%s]; ktb help ktb.conf lists them all", name, section);
	TRY(err_wrap(config_value_set(&c->values[o - options], o, value, folder, true), "%s", name));
	config_value_set_origin(&c->values[o - options], xasprintf("%s:%d", path, line));
	return NULL;
}

/* An indented line: more of a list, or of a text. */
static struct err *continue_key(struct config *c, const char *section, const char *name, const char *value,
				const char *folder)
{
	const struct option *near = NULL, *o = streq(section, "kconfig") ? NULL : find_key(section, name, &near);
	_cleanup_(free) char *joined = NULL;
	struct config_value *v;

	if (!o || (!option_is_list(o->type) && o->type != OPTION_TYPE_STRING))
		return err_create(ERR_USAGE, "an indented line continues the value above, but %s takes one line", name);
	v = &c->values[o - options];
	if (option_is_list(o->type))
		return err_wrap(config_value_set(v, o, value, folder, true), "%s", name);
	joined = xasprintf("%s%s%s", v->text, *v->text ? " " : "", value);
	return err_wrap(config_value_set(v, o, joined, folder, true), "%s", name);
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
	size_t n = strspn(text, CONFIG_NAME_CHARACTERS);

	if (!n || text[n + strspn(text + n, " \t")] != '=')
		return false;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (*options[i].section && strlen(options[i].name) == n && strncmp(options[i].name, text, n) == 0)
			return true;
	}
	return s->kconfig;
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

/* Whether the table has the section; *ret_near is then it, else the nearest one, if any is near, or NULL. */
static bool find_section(const char *name, const char **ret_near)
{
	int best = CONFIG_NEAR_ENOUGH;

	*ret_near = NULL;
	for (size_t i = 0; i <= OPTIONS_N && best; i++) {
		const char *section = i < OPTIONS_N ? options[i].section : "kconfig";
		int distance = *section ? edit_distance(name, section) : CONFIG_NEAR_ENOUGH;

		if (distance < best) {
			best = distance;
			*ret_near = section;
		}
	}
	return best == 0;
}

/* `text` is what follows the bracket. One that isn't closed is inih's to complain about. */
static void enter_section(struct parse_state *s, const char *text)
{
	size_t n = strcspn(text, "]\r\n");
	_cleanup_(free) char *name = xstrndup(text, n);
	const char *near;

	s->has_key = false;
	s->kconfig = streq(name, "kconfig");
	if (text[n] != ']' || find_section(name, &near))
		return;
	if (near)
		parse_failed(s, err_create(ERR_USAGE, "no section [%s]; did you mean [%s]?", name, near));
	else
		parse_failed(s, err_create(ERR_USAGE, "no section [%s]; ktb help ktb.conf lists them all", name));
}

/* Decides what the line is, and cuts off an indentation that means nothing. Returns where inih is to begin. */
static char *classify(struct parse_state *s, char *line)
{
	char *text = line + strspn(line, " \t");

	s->continuing = false;
	if (strchr(";#\r\n", *text))
		return text;
	if (*text == '[') {
		enter_section(s, text + 1);
		return text;
	}
	if (text > line && s->has_key && !is_setting(s, text)) {
		s->continuing = true;
		return line;
	}
	s->has_key = true;
	return text;
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

/* Who became root by sudo still trusts himself. */
static bool is_ours(uid_t owner)
{
	const char *sudo = getenv("SUDO_UID");
	uint64_t uid = 0;

	if (owner == 0 || owner == geteuid())
		return true;
	if (geteuid() != 0 || !sudo)
		return false;
	err_ignore(parse_u64(sudo, UINT32_MAX, &uid));
	return owner == (uid_t)uid;
}

/*
 * A ktb.conf names programs to run, and is found in any folder above: /tmp/ktb.conf must not make its author us. What is
 * asked is the file that was opened, so that it can't be another one a moment later.
 */
static struct err *check_trust(int fd, const char *path)
{
	const char *trusted = getenv("KTB_TRUST");
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_os(errno, "look at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_create(ERR_USAGE, "%s is not a regular file", path);
	if (trusted && streq(trusted, path))
		return NULL;
	if (!is_ours(st.st_uid))
		return err_create(
			ERR_USAGE,
			"%s belongs to user %u, not to you, and could make ktb run anything; if you have read "
			"it and trust it, set KTB_TRUST=%s",
			path, (unsigned int)st.st_uid, path);
	if (st.st_mode & S_IWOTH)
		return err_create(ERR_USAGE,
				  "%s can be written by everybody, and could make ktb run anything; chmod o-w it",
				  path);
	return NULL;
}

struct err *config_load_file(struct config *c, const char *path)
{
	/* What is no file must not hold us up. */
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	TRY(check_trust(fd, path));
	TRY(read_fd(fd, path, CONFIG_FILE_MAX, &b));
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

static bool is_same_file(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

struct err *config_load(struct config *c)
{
	_cleanup_(free) char *user = user_file();
	_cleanup_(free) char *cwd = getcwd(NULL, 0);
	_cleanup_(free) char *project = cwd ? config_find(cwd) : NULL;

	if (user && file_exists(user))
		TRY(config_load_file(c, user));
	/* Below its folder the user's file is also the nearest one; lists would be doubled. */
	if (project && !(user && is_same_file(user, project)))
		TRY(config_load_file(c, project));
	return NULL;
}
