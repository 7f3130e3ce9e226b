#include "kbuild/configure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "kbuild/verify.h"

enum { CONFIG_MAX = 16 << 20 };

static bool is_named_base(const char *base)
{
	return streq(base, "tiny") || streq(base, "defconfig");
}

static struct err *read_base(const char *base, struct buf *b)
{
	struct err *e = read_file(base, CONFIG_MAX, b);

	return err_wrap(e, "the base configuration is neither \"tiny\" nor \"defconfig\" nor a file that can be read");
}

struct err *configuration_hash(const struct configuration *c, struct digest *ret)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	TRY(hash_create(&h));
	if (is_named_base(c->base)) {
		hash_string(h, c->base);
	} else {
		TRY(read_base(c->base, &b));
		hash_string(h, "file");
		hash_update(h, b.data, b.len);
	}
	buf_clear(&b);
	fragment_set_write(c->requests, &b);
	hash_string(h, buf_str(&b));
	for (size_t i = 0; i < fragment_set_count(c->requests); i++)
		hash_update(h, fragment_set_at(c->requests, i)->if_known ? "?" : "!", 1);
	hash_final(h, ret);
	return NULL;
}

struct err *configuration_read(const char *out, struct buf *ret)
{
	_cleanup_(free) char *path = xasprintf("%s/.config", out);

	return read_file(path, CONFIG_MAX, ret);
}

bool configuration_has(const char *config, const char *name)
{
	_cleanup_(free) char *line = xasprintf("\nCONFIG_%s=y\n", name);

	return strstr(config, line);
}

unsigned int configuration_hz(const char *config)
{
	const char *line = strstr(config, "\nCONFIG_HZ=");
	unsigned int hz = 0;

	return line && sscanf(line, "\nCONFIG_HZ=%5u\n", &hz) == 1 ? hz : 0;
}

size_t configuration_count_options(const char *config)
{
	size_t n = 0;

	for (const char *p = config; (p = strstr(p, "\nCONFIG_")); p++) {
		const char *value = p + 1 + strcspn(p + 1, "=\n");

		n += *value == '=' && (value[1] == 'y' || value[1] == 'm') && (value[2] == '\n' || !value[2]);
	}
	return n;
}

const char *configuration_next_input(const char *data, size_t len, size_t *offset, size_t *ret_len)
{
	static const char head[] = "deps_config :=";

	if (!*offset) {
		const char *p = memmem(data, len, head, sizeof(head) - 1);

		if (!p)
			return NULL;
		p = memchr(p, '\n', (size_t)(data + len - p));
		*offset = p ? (size_t)(p - data) + 1 : len;
	}
	while (*offset < len) {
		const char *line = data + *offset;
		const char *end = memchr(line, '\n', len - *offset);
		size_t n = end ? (size_t)(end - line) : len - *offset;

		if (!n || *line != '\t')
			return NULL;
		*offset += n + (end != NULL);
		while (n && (line[n - 1] == '\\' || line[n - 1] == ' '))
			n--;
		if (n > 1) {
			*ret_len = n - 1;
			return line + 1;
		}
	}
	return NULL;
}

static void hash_file_state(struct hash *h, const char *tree, const char *name, size_t len)
{
	_cleanup_(free) char *path = *name == '/' ? xstrndup(name, len)
						  : xasprintf("%s/%.*s", tree, (int)MIN(len, (size_t)4096), name);
	struct stat st;

	hash_string(h, path);
	if (stat(path, &st) < 0) {
		hash_string(h, "gone");
		return;
	}
	hash_update(h, &st.st_size, sizeof(st.st_size));
	hash_update(h, &st.st_mtim, sizeof(st.st_mtim));
}

/*
 * A digest of what .config was made from and of what came out. ERR_NOT_FOUND before a first configuration.
 */
static struct err *hash_inputs(const struct make *m, const struct digest *wanted, struct digest *ret)
{
	static const char *const bases[] = { "Makefile", "kernel/configs/tiny.config",
					     "kernel/configs/tiny-base.config", "arch/x86/configs/tiny.config",
					     "arch/x86/configs/x86_64_defconfig" };
	_cleanup_(free) char *list = xasprintf("%s/include/config/auto.conf.cmd", m->out);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT, config = BUF_INIT;
	_cleanup_(hash_destroy) struct hash *h = NULL;
	const char *name;
	size_t offset = 0, len;

	if (!file_exists(list))
		return err_create(ERR_NOT_FOUND, "there is no %s", list);
	TRY(read_file(list, CONFIG_MAX, &b));
	TRY(configuration_read(m->out, &config));
	TRY(hash_create(&h));
	hash_string(h, wanted->hex);
	hash_update(h, config.data, config.len);
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		hash_file_state(h, m->tree, bases[i], strlen(bases[i]));
	while ((name = configuration_next_input(buf_str(&b), b.len, &offset, &len)))
		hash_file_state(h, m->tree, name, len);
	hash_final(h, ret);
	return NULL;
}

/* The stamp is "DIGEST DROPPED\n". */
static bool is_configured(const struct make *m, const struct configuration *c, const struct digest *wanted,
			  const char *stamp, size_t *ret_dropped)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = NULL;
	struct digest now;
	const char *rest;
	char *end;
	unsigned long dropped;

	if (!file_exists(stamp))
		return false;
	e = hash_inputs(m, wanted, &now);
	if (!e)
		e = read_file(stamp, 4096, &b);
	rest = e ? NULL : skip_prefix(buf_str(&b), now.hex);
	if (!rest || rest[0] != ' ' || rest[1] < '0' || rest[1] > '9')
		return false;
	dropped = strtoul(rest + 1, &end, 10);
	if (!streq(end, "\n") || (dropped && !c->allow_dropped))
		return false;
	*ret_dropped = dropped;
	return true;
}

bool configuration_is_current(const struct make *m, const struct configuration *c, const struct digest *wanted,
			      const char *stamp)
{
	size_t dropped;

	return is_configured(m, c, wanted, stamp, &dropped);
}

static struct err *write_stamp(const struct make *m, const struct digest *wanted, const char *stamp, size_t dropped)
{
	_cleanup_(free) char *line = NULL;
	struct digest now;

	TRY(hash_inputs(m, wanted, &now));
	line = xasprintf("%s %zu\n", now.hex, dropped);
	return write_file_atomic(stamp, line, strlen(line), 0600);
}

static struct err *run_target(struct make *m, const char *target)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;

	strv_add(&args, target);
	return make_run(m, "configure the kernel", &args);
}

static struct err *write_request(struct make *m, const struct configuration *c)
{
	_cleanup_(free) char *path = xasprintf("%s/.config", m->out);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (is_named_base(c->base)) {
		TRY(run_target(m, streq(c->base, "tiny") ? "tinyconfig" : "defconfig"));
		TRY(configuration_read(m->out, &b));
	} else {
		TRY(read_base(c->base, &b));
	}
	if (b.len && b.data[b.len - 1] != '\n')
		buf_putc(&b, '\n');
	fragment_set_write(c->requests, &b);
	return write_file_atomic(path, b.data, b.len, 0600);
}

/* Says which requests gave way to others, and how many were dropped. */
static struct err *judge(const struct configuration *c, const struct kconfig_verdict *v, size_t *ret_dropped)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT, overridden = BUF_INIT;

	kconfig_verdict_print_overridden(v, c->requests, &overridden);
	if (overridden.len && !c->silent)
		log_info("%s", strip(overridden.data));
	*ret_dropped = v->dropped.n;
	if (!v->dropped.n)
		return NULL;
	kconfig_verdict_print(v, &text);
	if (c->silent)
		return NULL;
	if (!c->allow_dropped)
		return err_create(ERR_USAGE, "%s\n(--allow-dropped builds the kernel all the same)", buf_str(&text));
	log_warn("%s", buf_str(&text));
	return NULL;
}

/* Whether .config has what was asked for. */
static struct err *check_request(const struct make *m, const struct configuration *c, size_t *ret_dropped)
{
	const struct kconfig_reader reader = kconfig_reader_folder(m->tree, "x86");
	_cleanup_(dotconfig_destroy) struct dotconfig *config = NULL;
	_cleanup_(kconfig_verdict_deinit) struct kconfig_verdict verdict = { 0 };
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(configuration_read(m->out, &text));
	TRY(dotconfig_parse(".config", buf_str(&text), text.len, &config));
	kconfig_verify(c->requests, config, &reader, &verdict);
	return judge(c, &verdict, ret_dropped);
}

struct err *configure(struct make *m, const struct configuration *c, const struct digest *wanted, const char *stamp,
		      size_t *ret_dropped)
{
	size_t dropped = 0;

	if (is_configured(m, c, wanted, stamp, ret_dropped)) {
		log_debug("the configuration is up to date");
		return NULL;
	}
	if (unlink(stamp) < 0 && errno != ENOENT)
		return err_os(errno, "remove %s", stamp);
	TRY(write_request(m, c));
	TRY(run_target(m, "olddefconfig"));
	progress_clear(&m->progress);
	TRY(check_request(m, c, &dropped));
	/* The build would do it anyway; done here, it also leaves the list of all Kconfig files for the stamp. */
	TRY(run_target(m, "syncconfig"));
	TRY(write_stamp(m, wanted, stamp, dropped));
	*ret_dropped = dropped;
	return NULL;
}
