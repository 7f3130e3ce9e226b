#include "cmd/lend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/util.h"

static const char variable[] = "KTB_LENT_FD";

enum { PIECE_MAX = 4096, FD_MAX = 1024 };

enum question { QUESTION_SLIDE, QUESTION_MEMORY, QUESTION_REGISTERS };

struct request {
	uint32_t question;
	uint32_t len;     /* of memory */
	uint64_t address; /* of memory; or a CPU */
};

enum verdict { VERDICT_ANSWER, VERDICT_FAULT, VERDICT_UNKNOWN };

struct reply {
	enum verdict verdict;
	union {
		uint64_t slide;
		struct cpu_registers registers;
		uint8_t memory[PIECE_MAX];
	} u;
};

struct err *lend_pair(int *ret_ours, int *ret_theirs, char **ret_env)
{
	int fds[2];

	/* Each message is a whole one. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_os(errno, "make a socket pair");
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	*ret_env = xasprintf("%s=%d", variable, fds[1]);
	return NULL;
}

/* --- The lender --- */

static struct err *look_up(const struct lender *l, const struct request *q, struct reply *ret)
{
	switch ((enum question)q->question) {
	case QUESTION_SLIDE:
		ret->u.slide = l->slide;
		return NULL;
	case QUESTION_MEMORY:
		if (q->len > PIECE_MAX)
			break;
		return mem_read(l->mem, q->address, ret->u.memory, q->len);
	case QUESTION_REGISTERS:
		if (q->address > UINT32_MAX)
			break;
		return l->registers(l->user, (uint32_t)q->address, &ret->u.registers);
	}
	return err_create(ERR_BAD_DATA, "nothing like that is lent");
}

struct err *lend_answer(const struct lender *l, int fd)
{
	struct request q;
	struct reply reply = { .verdict = VERDICT_ANSWER };
	ssize_t n = recv(fd, &q, sizeof(q), MSG_DONTWAIT);
	struct err *e;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return NULL;
	if (n != sizeof(q))
		return err_create(ERR_CLOSED, "nobody borrows any more");
	e = look_up(l, &q, &reply);
	if (e)
		reply.verdict = err_code(e) == ERR_FAULT ? VERDICT_FAULT : VERDICT_UNKNOWN;
	err_ignore(e);
	/* Who doesn't read its answer gets none: one question, one answer. */
	if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(reply))
		return err_create(ERR_CLOSED, "nobody borrows any more");
	return NULL;
}

/* --- The borrower --- */

int lend_borrowed_fd(void)
{
	const char *text = getenv(variable);
	uint64_t fd;
	struct err *e = text ? parse_u64(text, FD_MAX, &fd) : NULL;

	err_ignore(e);
	return text && !e ? (int)fd : -1;
}

static struct err *ask(int fd, const struct request *q, struct reply *ret)
{
	if (send(fd, q, sizeof(*q), MSG_NOSIGNAL) != sizeof(*q) || recv(fd, ret, sizeof(*ret), 0) != sizeof(*ret))
		return err_create(ERR_CLOSED, "the debug session has ended, through which the kernel was looked at");
	if (ret->verdict == VERDICT_FAULT)
		return err_create(ERR_FAULT, "the kernel gives nothing of its memory at 0x%llx",
				  (unsigned long long)q->address);
	if (ret->verdict != VERDICT_ANSWER)
		return err_create(ERR_NOT_FOUND, "the debug session doesn't know it");
	return NULL;
}

static struct err *fetch(void *user, uint64_t address, void *ret, size_t len)
{
	const struct request q = { QUESTION_MEMORY, (uint32_t)len, address };
	struct reply reply;

	if (len > PIECE_MAX)
		return err_create(ERR_FAULT, "more is asked for than is lent at a time");
	TRY(ask((int)(intptr_t)user, &q, &reply));
	memcpy(ret, reply.u.memory, len);
	return NULL;
}

struct err *lend_borrow(int fd, struct mem **ret, uint64_t *ret_slide)
{
	const struct request q = { .question = QUESTION_SLIDE };
	struct reply reply;

	TRY(ask(fd, &q, &reply));
	*ret_slide = reply.u.slide;
	*ret = mem_open_distant(fetch, (void *)(intptr_t)fd);
	return NULL;
}

struct err *lend_borrow_registers(int fd, uint32_t cpu, struct cpu_registers *ret)
{
	const struct request q = { .question = QUESTION_REGISTERS, .address = cpu };
	struct reply reply;

	TRY(ask(fd, &q, &reply));
	*ret = reply.u.registers;
	return NULL;
}
