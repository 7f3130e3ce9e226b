/*
 * Theory of operation
 *
 * The part that is there is kept, and the rest asked for by a Range header (RFC 9110, 14.2). Three answers are possible:
 * 206, the rest; 416, there is no rest; 200, the server doesn't know about ranges and sends everything, in which case
 * the part is cut to nothing before the first byte is written. Whether the file on the server is still the one that the
 * part was taken from is not asked here: the caller has a digest.
 */
#include "base/download.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"

/* With either of the TLS libraries that distributions build it for. */
static const char *const library_names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

enum { REDIRECTIONS_MAX = 10, HTTP_OK = 200, HTTP_NOT_FOUND = 404, HTTP_GONE = 410, HTTP_NO_SUCH_RANGE = 416 };

/* More than any kernel's source, less than a disk. */
#define SIZE_MAX_BYTES ((curl_off_t)16 << 30)

struct libcurl {
	__typeof__(curl_easy_init) *init;
	__typeof__(curl_easy_cleanup) *cleanup;
	__typeof__(curl_easy_setopt) *setopt;
	__typeof__(curl_easy_getinfo) *getinfo;
	__typeof__(curl_easy_perform) *perform;
	__typeof__(curl_easy_strerror) *strerror;
};

struct transfer {
	const struct download_params *params;
	struct libcurl lib;
	CURL *curl;
	int fd;
	uint64_t had;  /* bytes that were there */
	uint64_t done; /* bytes that are there */
	bool begun;    /* the first byte of the answer has come */
	struct err *error;
	char message[CURL_ERROR_SIZE];
};

bool is_url(const char *text)
{
	return skip_prefix(text, "http://") || skip_prefix(text, "https://");
}

static struct err *load_function(void *library, const char *name, void *ret)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		return err_create(ERR_PREREQ, "libcurl has no function %s", name);
	*(void **)ret = symbol;
	return NULL;
}

static struct err *load(struct libcurl *lib)
{
	void *library = NULL;

	for (size_t i = 0; !library && i < ARRAY_SIZE(library_names); i++)
		library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_create(ERR_PREREQ, "load libcurl, which downloads need: %s", dlerror());
	TRY(load_function(library, "curl_easy_init", &lib->init));
	TRY(load_function(library, "curl_easy_cleanup", &lib->cleanup));
	TRY(load_function(library, "curl_easy_setopt", &lib->setopt));
	TRY(load_function(library, "curl_easy_getinfo", &lib->getinfo));
	TRY(load_function(library, "curl_easy_perform", &lib->perform));
	TRY(load_function(library, "curl_easy_strerror", &lib->strerror));
	return NULL;
}

static long response_code(const struct transfer *t)
{
	long code = 0;

	t->lib.getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

/* All of it comes, not the rest: what is there is of no use. */
static bool begin(struct transfer *t)
{
	t->begun = true;
	if (!t->had || response_code(t) != HTTP_OK)
		return true;
	log_debug("the server can't send the rest alone: all of it again");
	if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0) {
		t->error = err_os(errno, "begin %s anew", t->params->path);
		return false;
	}
	t->had = t->done = 0;
	return true;
}

/* libcurl's callback: fewer bytes than there are end the transfer. */
static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	if (t->error || (!t->begun && !begin(t)))
		return 0;
	if (t->done + size * n > (uint64_t)SIZE_MAX_BYTES) {
		t->error = err_create(ERR_BAD_DATA, "it is larger than %llu GB",
				      (unsigned long long)(SIZE_MAX_BYTES >> 30));
		return 0;
	}
	t->error = err_wrap(write_all(t->fd, data, size * n), "write %s", t->params->path);
	if (t->error)
		return 0;
	t->done += size * n;
	return size * n;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct transfer *t = user;

	(void)up_total;
	(void)up_now;
	/* An answer that isn't the file, such as a page that says so, has a length as well. */
	if (t->params->progress && t->begun)
		t->params->progress(t->had + (uint64_t)now, total > 0 ? t->had + (uint64_t)total : 0, t->params->data);
	return 0;
}

static void set_protocols(const struct transfer *t)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	t->lib.setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	t->lib.setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	t->lib.setopt(t->curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	t->lib.setopt(t->curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_options(struct transfer *t)
{
	const struct libcurl *lib = &t->lib;
	CURL *c = t->curl;

	lib->setopt(c, CURLOPT_URL, t->params->url);
	set_protocols(t);
	lib->setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	lib->setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MAX);
	lib->setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	lib->setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	lib->setopt(c, CURLOPT_FAILONERROR, 1L);
	lib->setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib->setopt(c, CURLOPT_USERAGENT, "ktb/" KTB_VERSION);
	lib->setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)t->params->connect_ms);
	lib->setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	lib->setopt(c, CURLOPT_LOW_SPEED_TIME, (long)MAX(1U, t->params->stall_ms / 1000));
	lib->setopt(c, CURLOPT_MAXFILESIZE_LARGE, SIZE_MAX_BYTES);
	lib->setopt(c, CURLOPT_ERRORBUFFER, t->message);
	lib->setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	lib->setopt(c, CURLOPT_WRITEDATA, t);
	lib->setopt(c, CURLOPT_NOPROGRESS, 0L);
	lib->setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib->setopt(c, CURLOPT_XFERINFODATA, t);
}

static enum err_code code_of(CURLcode result)
{
	switch ((int)result) {
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_TIMEOUT;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return ERR_CLOSED;
	case CURLE_URL_MALFORMAT:
		return ERR_USAGE;
	default:
		return ERR_OS;
	}
}

static struct err *explain(struct transfer *t, CURLcode result)
{
	long code = response_code(t);

	if (t->error)
		return steal(&t->error);
	if (result == CURLE_HTTP_RETURNED_ERROR)
		return err_create(code == HTTP_NOT_FOUND || code == HTTP_GONE ? ERR_NOT_FOUND : ERR_OS,
				  "the server answers with HTTP status %ld%s", code,
				  code == HTTP_NOT_FOUND ? " (there is no such file)" : "");
	if (result == CURLE_OPERATION_TIMEDOUT && t->begun)
		return err_create(ERR_TIMEOUT, "nothing came for %u s", MAX(1U, t->params->stall_ms / 1000));
	return err_create(code_of(result), "%s", *t->message ? t->message : t->lib.strerror(result));
}

static struct err *transfer(struct transfer *t)
{
	char range[32];
	CURLcode result;

	t->curl = t->lib.init();
	if (!t->curl)
		return err_create(ERR_OS, "libcurl can't be initialized");
	set_options(t);
	if (t->had) {
		/* Not CURLOPT_RESUME_FROM: that takes an answer with everything for an error. */
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->had);
		t->lib.setopt(t->curl, CURLOPT_RANGE, range);
	}
	result = t->lib.perform(t->curl);
	if (result == CURLE_OK || (t->had && !t->begun && response_code(t) == HTTP_NO_SUCH_RANGE))
		return NULL;
	return explain(t, result);
}

struct err *download(const struct download_params *params)
{
	_cleanup_(close) int fd = open(params->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct transfer t = { .params = params, .fd = fd };
	struct stat st;
	off_t end;
	struct err *e;

	if (fd < 0 || fstat(fd, &st) < 0 || (end = lseek(fd, 0, SEEK_END)) < 0)
		return err_os(errno, "open %s", params->path);
	TRY(load(&t.lib));
	t.had = t.done = (uint64_t)end;
	e = transfer(&t);
	if (t.curl)
		t.lib.cleanup(t.curl);
	return err_wrap(e, "download %s", params->url);
}
