/*
 * Files fetched over HTTP, by libcurl. The library is loaded at the first use, as libcrypto is (base/hash.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Whether the text is an address that download() takes: http:// or https://. Pure. */
bool is_url(const char *text);

struct download_params {
	const char *url;
	const char *path;        /* where it goes; a part that is there already is added to */
	unsigned int stall_ms;   /* a server that sends nothing for so long has failed */
	unsigned int connect_ms; /* ... and one that can't be reached */
	/* Called now and then; total is 0 as long as it isn't known. NULL: nobody asks. */
	void (*progress)(uint64_t done, uint64_t total, void *data);
	void *data;
};

/*
 * Fetches the file, or what is missing of it. What came stays there whatever ends it, a signal too. A server that can't
 * send the rest sends all of it. Certificates are checked; redirections only lead to HTTP.
 *
 * ERR_NOT_FOUND if the server has no such file; ERR_TIMEOUT; ERR_CLOSED if the connection broke; ERR_PREREQ without
 * libcurl; ERR_OS where the file can't be written, or the network can't be used.
 */
struct err *download(const struct download_params *params) err_must_check;
