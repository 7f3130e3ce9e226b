#include "cmd/serve_facts.h"

#include <unistd.h>

#include "base/fs.h"

enum { WORDS_MAX = 4096 };

void serve_facts_deinit(struct serve_facts *f)
{
	process_deinit(&f->reader);
	closep(&f->words_fd);
	*f = (struct serve_facts)SERVE_FACTS_INIT;
}

static struct err *load(const struct serve_facts *f, const char *vmlinux, struct layout_answer ret[KERNEL_FACTS_N])
{
	return layout_load(f->build_id, vmlinux, kernel_questions, KERNEL_FACTS_N, ret);
}

static __attribute__((noreturn)) void read_facts(const struct serve_facts *f, int words_fd)
{
	struct layout_answer facts[KERNEL_FACTS_N];
	struct err *e = load(f, f->vmlinux, facts);

	if (e)
		err_ignore(write_all(words_fd, err_message(e), strnlen(err_message(e), WORDS_MAX)));
	_exit(e ? 1 : 0);
}

static struct err *start_reader(struct serve_facts *f)
{
	_cleanup_(close) int words_fd = -1;
	bool child;

	TRY(process_pipe(&f->words_fd, &words_fd));
	TRY(process_fork(true, &f->reader, &child));
	if (child)
		read_facts(f, words_fd);
	return NULL;
}

/* ERR_TIMEOUT: it is at work. */
static struct err *end_of_reader(struct serve_facts *f)
{
	_cleanup_(buf_deinit) struct buf words = BUF_INIT;
	int status;

	TRY(process_wait_timeout(&f->reader, 0, &status));
	f->was_read = true;
	TRY(read_fd(f->words_fd, "what the kernel's layout was not read for", WORDS_MAX, &words));
	close(steal_fd(&f->words_fd));
	if (words.len)
		return err_create(ERR_BAD_DATA, "%s", buf_str(&words));
	return NULL;
}

struct err *serve_facts_get(struct serve_facts *f, struct layout_answer ret[KERNEL_FACTS_N])
{
	struct err *e;

	if (f->reader.pid > 0)
		TRY(end_of_reader(f));
	/* What was read and could not be kept has to be read once more, here. */
	e = load(f, f->was_read ? f->vmlinux : NULL, ret);
	if (!e || f->was_read || !f->vmlinux)
		return e;
	err_destroy(e);
	TRY(start_reader(f));
	return err_create(ERR_TIMEOUT, "how the kernel is laid out is being read from %s", f->vmlinux);
}
