#include <limits.h>
#include <stdio.h>

#include "base/download.h"
#include "base/fs.h"
#include "config/values.h"

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

struct err *config_value_set(struct config_value *v, const struct option *o, const char *s, const char *folder,
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
		/* Such as a variable of the shell that isn't set. As a path it would be the working folder. */
		if (!split_lists && !*s)
			return err_create(ERR_USAGE, "it is empty; expected %s", o->arg);
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
	case OPTION_TYPE_PATH_OR_URL:
		is_path = *s && !is_url(s);
		break;
	case OPTION_TYPE_PROGRAM:
		if (!*s)
			return err_create(ERR_USAGE, "it is empty; expected %s", o->arg);
		break;
	case OPTION_TYPE_STRING:
		break;
	}
	free(v->text);
	v->text = is_path ? path_absolute(s, folder) : xstrdup(s);
	v->number = number;
	return NULL;
}

void config_value_set_origin(struct config_value *v, char *origin)
{
	free(v->origin);
	v->origin = origin;
}

struct config *config_create(void)
{
	struct config *c = xcalloc(1, sizeof(*c));

	for (size_t i = 0; i < OPTIONS_N; i++) {
		struct err *e = option_is_list(options[i].type) && !*options[i].def
					? NULL
					: config_value_set(&c->values[i], &options[i], options[i].def, NULL, true);

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
	for (size_t i = 0; i < c->given_n; i++)
		free(c->given[i].text);
	free(c->given);
	free(c);
}

struct err *config_add_kconfig(struct config *c, const char *name, const char *value, const char *file, int line)
{
	const char *bare = skip_prefix(name, "CONFIG_");

	if (!bare)
		bare = name;
	if (!*bare || strspn(bare, CONFIG_NAME_CHARACTERS) != strlen(bare))
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

const char *config_origin(const struct config *c, enum option_id id)
{
	return c->values[id].origin;
}

bool config_is_said(const struct config *c, enum option_id id)
{
	return c->values[id].origin && streq(c->values[id].origin, "command line");
}

const struct config_kconfig *config_kconfig(const struct config *c, size_t *ret_n)
{
	*ret_n = c->kconfig_n;
	return c->kconfig;
}
