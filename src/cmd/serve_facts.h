/*
 * What a server process has to know of a kernel. Usually that is kept (debuginfo/layout.h); finding it out takes from a tenth of
 * a second to some seconds, in which GDB would lose patience. So another process does that meanwhile.
 */
#pragma once

#include "base/process.h"
#include "kernel/kernel.h"

struct serve_facts {
	const char *build_id, *vmlinux;
	struct process reader;
	int words_fd; /* what the reader failed at; -1: none */
	bool was_read;
};

#define SERVE_FACTS_INIT                                                                                               \
	{                                                                                                              \
		.reader = PROCESS_INIT, .words_fd = -1                                                                 \
	}

void serve_facts_deinit(struct serve_facts *f);
DEFINE_CLEANUP_STORAGE(struct serve_facts, serve_facts_deinit);

/* All of them, at once. ERR_TIMEOUT: not yet, ask again later. Other errors: as layout_load(). */
struct err *serve_facts_get(struct serve_facts *f, struct layout_answer ret[KERNEL_FACTS_N]) err_must_check;
