#include "base/hash.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/util.h"

#ifndef KTB_LIBCRYPTO
#define KTB_LIBCRYPTO "libcrypto.so.3"
#endif

/* The functions of libcrypto that we use, with the types that its headers give them. */
struct libcrypto {
	__typeof__(EVP_MD_CTX_new) *ctx_new;
	__typeof__(EVP_MD_CTX_free) *ctx_free;
	__typeof__(EVP_DigestInit_ex) *init;
	__typeof__(EVP_DigestUpdate) *update;
	__typeof__(EVP_DigestFinal_ex) *final;
	__typeof__(EVP_sha256) *sha256;
};

struct hash {
	struct libcrypto lib;
	EVP_MD_CTX *ctx;
};

static struct err *load_function(void *library, const char *name, void *ret)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		return err_create(ERR_PREREQ, "%s has no function %s", KTB_LIBCRYPTO, name);
	*(void **)ret = symbol;
	return NULL;
}

static struct err *load(struct libcrypto *lib)
{
	/* The loader counts references and we never give ours back: the second call is cheap. */
	void *library = dlopen(KTB_LIBCRYPTO, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return err_create(ERR_PREREQ, "load libcrypto: %s", dlerror());
	TRY(load_function(library, "EVP_MD_CTX_new", &lib->ctx_new));
	TRY(load_function(library, "EVP_MD_CTX_free", &lib->ctx_free));
	TRY(load_function(library, "EVP_DigestInit_ex", &lib->init));
	TRY(load_function(library, "EVP_DigestUpdate", &lib->update));
	TRY(load_function(library, "EVP_DigestFinal_ex", &lib->final));
	TRY(load_function(library, "EVP_sha256", &lib->sha256));
	return NULL;
}

struct err *hash_create(struct hash **ret)
{
	_cleanup_(free) struct hash *h = xcalloc(1, sizeof(*h));

	TRY(load(&h->lib));
	h->ctx = h->lib.ctx_new();
	if (!h->ctx || h->lib.init(h->ctx, h->lib.sha256(), NULL) != 1) {
		if (h->ctx)
			h->lib.ctx_free(h->ctx);
		return err_create(ERR_PREREQ, "libcrypto offers no SHA-256 here");
	}
	*ret = steal(&h);
	return NULL;
}

void hash_destroy(struct hash *h)
{
	if (!h)
		return;
	h->lib.ctx_free(h->ctx);
	free(h);
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	h->lib.update(h->ctx, data, len);
}

void hash_string(struct hash *h, const char *s)
{
	if (s)
		hash_update(h, s, strlen(s));
	hash_update(h, "", 1);
}

void hash_final(struct hash *h, struct digest *ret)
{
	unsigned char raw[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int len = 0;

	h->lib.final(h->ctx, raw, &len);
	for (size_t i = 0; i < 32; i++)
		snprintf(ret->hex + 2 * i, 3, "%02x", raw[i]);
}

struct err *hash_file(const char *path, void (*progress)(size_t done, void *data), void *data, struct digest *ret)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(hash_destroy) struct hash *h = NULL;
	_cleanup_(free) char *block = xmalloc(1 << 20);
	size_t done = 0;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	TRY(hash_create(&h));
	for (;;) {
		ssize_t n = read(fd, block, 1 << 20);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "read %s", path);
		if (n == 0)
			break;
		hash_update(h, block, (size_t)n);
		done += (size_t)n;
		if (progress)
			progress(done, data);
	}
	hash_final(h, ret);
	return NULL;
}
