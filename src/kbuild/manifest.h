/*
 * What a finished build says about itself: manifest.json in its folder. It is written last and removed first, so that
 * one that is there describes a complete kernel.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* All paths are absolute. All strings are set in a manifest that was read. */
struct manifest {
	char *key;           /* what went into the kernel, as a digest */
	char *source_kind;   /* "tarball", "tree" */
	char *source;        /* path of the tarball or the tree */
	char *source_tree;   /* the folder it was built from */
	char *source_state;  /* digest of the source's state */
	char *config_digest; /* of the configuration that was asked for */
	char *release;       /* as uname -r says it */
	char *build_id;      /* of vmlinux, hexadecimal */
	char *compiler;      /* first line of its --version */
	char *out;           /* folder with the objects; modules with debug information are in it */
	char *vmlinux;
	char *bzimage;
	char *modules; /* root of the stripped modules: lib/modules/RELEASE is below it */
	char *compile_commands;
	char *gdb_script; /* vmlinux-gdb.py */
	char *log;        /* what make said */
	char *ktb_version;
	char *date; /* ISO 8601, UTC */
	uint64_t vmlinux_size, vmlinux_mtime_ns;
	uint64_t bzimage_size, bzimage_mtime_ns;
	uint64_t configure_ms, build_ms;
	uint64_t dropped; /* options that were asked for and that the kernel didn't take */
};

#define MANIFEST_INIT                                                                                                  \
	{                                                                                                              \
		.key = NULL                                                                                            \
	}

void manifest_deinit(struct manifest *m);
DEFINE_CLEANUP_STORAGE(struct manifest, manifest_deinit);

/* As JSON, with a newline at the end. */
void manifest_format(const struct manifest *m, struct buf *b);

/* ERR_BAD_DATA for whatever lacks something or isn't what it should be. `name` is for messages. */
struct err *manifest_parse(const char *name, const char *data, size_t len, struct manifest *ret) err_must_check;

/* Sizes and times of vmlinux and bzImage as they are now. */
struct err *manifest_stamp(struct manifest *m) err_must_check;

/* NULL if the files are there and those that manifest_stamp() looked at are unchanged, else what is wrong. */
struct err *manifest_check_files(const struct manifest *m) err_must_check;
