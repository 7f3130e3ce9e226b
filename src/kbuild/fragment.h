/*
 * What is asked of a kernel's configuration: Kconfig fragments and [kconfig] lines, merged layer by layer.
 *
 * A higher layer overrides a lower one. Within one layer two requests that contradict each other are an error:
 * Kconfig would take the last one in silence, and nobody would know which file that was.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "kbuild/dotconfig.h"

enum fragment_layer {
	FRAGMENT_BUILTIN, /* the fragments that come with the program */
	FRAGMENT_PROFILE, /* those of them that the user asks for by name */
	FRAGMENT_USER,    /* fragment files that the user names */
	FRAGMENT_CONFIG,  /* [kconfig] of ktb.conf, and --kconfig: here a later file overrides an earlier one */
};

struct fragment_request {
	const char *name;  /* without CONFIG_ */
	const char *value; /* y, m, n, a number, or a string without quotes */
	enum dotconfig_kind kind;
	enum fragment_layer layer;
	const char *file;
	int line;      /* 0: on the command line */
	bool if_known; /* asked for only where the kernel knows the option */
	/* The request of a lower layer that this one overrides, or NULL. */
	const struct fragment_request *overrides;
};

struct fragment_set;

struct fragment_set *fragment_set_create(void);
void fragment_set_destroy(struct fragment_set *s);
DEFINE_CLEANUP(struct fragment_set *, fragment_set_destroy);

/*
 * Adds the requests of a fragment. Layers come in ascending order. With if_known, options that the kernel doesn't
 * know are no error later. ERR_USAGE for what is no fragment, with file and line, and for a contradiction.
 */
struct err *fragment_set_parse(struct fragment_set *s, enum fragment_layer layer, bool if_known, const char *file,
			       const char *data, size_t len) err_must_check;

/*
 * Adds one request. The value is y, m, n, a number, a string in double quotes, or else a string without. line 0: the
 * command line. ERR_USAGE for what is none, and for a contradiction.
 */
struct err *fragment_set_add(struct fragment_set *s, enum fragment_layer layer, const char *name, const char *value,
			     const char *file, int line) err_must_check;

/* The merged requests in the order in which their options were first named. All valid as long as s. */
size_t fragment_set_count(const struct fragment_set *s);
const struct fragment_request *fragment_set_at(const struct fragment_set *s, size_t i);
/* The merged request for an option, or NULL. */
const struct fragment_request *fragment_set_find(const struct fragment_set *s, const char *name);

/* The merged requests as a text that can follow a .config: Kconfig takes the last assignment of each option. */
void fragment_set_write(const struct fragment_set *s, struct buf *b);

/* "NAME=value", strings in quotes. The caller frees it. */
char *fragment_request_text(const struct fragment_request *r);
/* "FILE:LINE", or "the command line". The caller frees it. */
char *fragment_request_place(const struct fragment_request *r);
