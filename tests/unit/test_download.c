/*
 * Downloads from a server that does what a test says (what needs a whole server is in tests/cli/download.sh), and what an
 * address is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/download.h"
#include "base/fs.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "kbuild/fetch.h"

static void addresses(void **state)
{
	(void)state;
	assert_true(is_url("http://host/x"));
	assert_true(is_url("https://host/x"));
	assert_false(is_url("ftp://host/x"));
	assert_false(is_url("file:///x"));
	assert_false(is_url("/http://x"));
	assert_false(is_url(""));
}

static void names(void **state)
{
	static const struct {
		const char *url, *name;
	} cases[] = {
		{ "https://h/pub/linux-6.12.tar.xz", "linux-6.12.tar.xz" },
		{ "https://h/a.tar.gz?x=/b.html", "a.tar.gz" },
		{ "https://h/a.tar.zst#part", "a.tar.zst" },
		{ "https://h/", NULL },
		{ "https://h.tar.xz", NULL },
		{ "https://h/.tar.xz", NULL },
		{ "https://h/linux", NULL },
		{ "https://h/?a.tar.xz", NULL },
		{ "https://h/..", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(free) char *name = NULL;
		_cleanup_(err_destroy) struct err *e = fetch_name(cases[i].url, &name);

		assert_int_equal(e == NULL, cases[i].name != NULL);
		if (e)
			assert_int_equal(err_code(e), ERR_USAGE);
		else
			assert_string_equal(name, cases[i].name);
	}
}

/* A server for one connection: sends the answer, and then waits if it is to stall. */
static void serve(int listen_fd, const char *answer, bool stall)
{
	char request[4096];
	int fd;

	set_nonblock(listen_fd, false);
	fd = accept(listen_fd, NULL, NULL);
	if (fd < 0 || read(fd, request, sizeof(request)) <= 0)
		_exit(1);
	err_ignore(write_all(fd, answer, strlen(answer)));
	while (stall)
		pause();
	_exit(0);
}

struct fixture {
	struct process server;
	char *url, *path, folder[64];
};

static void start(struct fixture *f, const char *answer, bool stall)
{
	uint16_t port;
	bool child;
	int fd;

	strcpy(f->folder, "/tmp/ktb-download-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_null(sock_listen_loopback(0, &fd, &port));
	f->server = (struct process)PROCESS_INIT;
	assert_null(process_fork(true, &f->server, &child));
	if (child)
		serve(fd, answer, stall);
	close(fd);
	f->url = xasprintf("http://127.0.0.1:%u/linux.tar.xz", port);
	f->path = xasprintf("%s/part", f->folder);
}

static void stop(struct fixture *f)
{
	process_deinit(&f->server);
	assert_null(remove_tree(f->folder));
	free(f->url);
	free(f->path);
}

static void expect_content(const struct fixture *f, const char *content)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_null(read_file(f->path, 1024, &b));
	assert_string_equal(buf_str(&b), content);
}

static struct err *fetch(const struct fixture *f)
{
	const struct download_params p = { .url = f->url, .path = f->path, .stall_ms = 1000, .connect_ms = 5000 };

	return download(&p);
}

static void a_server_that_stalls(void **state)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	uint64_t begin = now_ns();
	struct fixture f;

	(void)state;
	start(&f, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", true);
	e = fetch(&f);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_TIMEOUT);
	assert_true(now_ns() - begin < 30 * NSEC_PER_SEC);
	expect_content(&f, "abc");
	stop(&f);
}

static void a_server_that_says_nothing(void **state)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	struct fixture f;

	(void)state;
	start(&f, "", true);
	e = fetch(&f);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_TIMEOUT);
	stop(&f);
}

/* What comes with an error is not the file: the part stays as it was. */
static void an_error_leaves_the_part(void **state)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	struct fixture f;

	(void)state;
	start(&f, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy", false);
	assert_null(write_file_atomic(f.path, "part", 4, 0600));
	e = fetch(&f);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "503"));
	expect_content(&f, "part");
	stop(&f);
}

static void the_rest_is_added(void **state)
{
	struct fixture f;

	(void)state;
	start(&f,
	      "HTTP/1.1 206 Part\r\nContent-Length: 3\r\nContent-Range: bytes 4-6/7\r\nConnection: close\r\n\r\nefg",
	      false);
	assert_null(write_file_atomic(f.path, "abcd", 4, 0600));
	assert_null(fetch(&f));
	expect_content(&f, "abcdefg");
	stop(&f);
}

static void all_of_it_replaces_the_part(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy", false);
	assert_null(write_file_atomic(f.path, "abcd", 4, 0600));
	assert_null(fetch(&f));
	expect_content(&f, "xy");
	stop(&f);
}

static void no_room(void **state)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	struct fixture f;

	(void)state;
	start(&f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy", false);
	free(f.path);
	f.path = xstrdup("/dev/full");
	e = fetch(&f);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "/dev/full"));
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
		cmocka_unit_test(a_server_that_stalls),
		cmocka_unit_test(a_server_that_says_nothing),
		cmocka_unit_test(an_error_leaves_the_part),
		cmocka_unit_test(the_rest_is_added),
		cmocka_unit_test(all_of_it_replaces_the_part),
		cmocka_unit_test(no_room),
	};

	unsetenv("http_proxy");
	unsetenv("all_proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
