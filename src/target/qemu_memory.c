/*
 * Theory of operation. An address is looked up in the page tables of the CPU that is asked about, and what lies in RAM is copied
 * from there. Where that can't be done (other modes than long mode with or without paging, devices, ROM) the stub is asked.
 * RAM is written through the stub only: QEMU has to know, for it may have translated the code that is there.
 */
#include "base/util.h"
#include "target/qemu_private.h"

enum {
	PIECE = 1024, /* bytes: fits into a packet of the stub's as digits */
	PAGE = 4096,
};

/* With MACHINE_ADDRESSES_VIRTUAL mem_set_mmu() has been called. */
static struct err *find_addressing(struct qemu_target *q, uint32_t thread, enum machine_addressing *ret)
{
	const struct buf *r;
	struct mmu mmu;

	*ret = q->params.mem ? MACHINE_ADDRESSES_PHYSICAL : MACHINE_ADDRESSES_OTHERS;
	if (q->physical)
		return NULL;
	TRY(qemu_registers(q, thread, &r));
	if (!q->params.mem)
		return NULL;
	*ret = machine_addressing(&q->control, r->data, r->len, &mmu);
	if (*ret == MACHINE_ADDRESSES_VIRTUAL)
		mem_set_mmu(q->params.mem, &mmu);
	return NULL;
}

static bool read_ram(struct qemu_target *q, enum machine_addressing addressing, uint64_t address, uint8_t *ret,
		     size_t len)
{
	struct err *e;

	if (addressing == MACHINE_ADDRESSES_VIRTUAL)
		return mem_try_read(q->params.mem, address, ret, len);
	e = addressing == MACHINE_ADDRESSES_PHYSICAL ? mem_read_phys(q->params.mem, address, ret, len)
						     : err_create(ERR_UNSUPPORTED, "not here");
	err_ignore(e);
	return !e;
}

/* As much as the stub gives of at most PIECE bytes; 0: nothing. */
static struct err *read_stub(struct qemu_target *q, uint32_t thread, uint64_t address, uint8_t *ret, size_t len,
			     size_t *ret_len)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT, bytes = BUF_INIT;
	struct rsp_reader r;
	struct err *e;

	*ret_len = 0;
	TRY(qemu_select(q, thread));
	e = qemu_ask(q, ERR_FAULT, &reply, "m%llx,%zx", (unsigned long long)address, len);
	if (e && err_code(e) != ERR_FAULT)
		return e;
	err_ignore(e);
	if (e)
		return NULL;
	r = rsp_reader_on(reply.data, reply.len);
	if (!rsp_read_hex_data(&r, len, &bytes) || !rsp_at_end(&r))
		return err_create(ERR_BAD_DATA, "QEMU's stub gave no memory, but something else");
	for (size_t i = 0; i < bytes.len; i++)
		ret[i] = (uint8_t)bytes.data[i];
	*ret_len = bytes.len;
	return NULL;
}

/* How far pieces go, so that one which can't be read doesn't take its neighbours along. */
static size_t to_page_end(uint64_t address, size_t len)
{
	return MIN(len, (size_t)(PAGE - address % PAGE));
}

struct err *qemu_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			     size_t *ret_len)
{
	struct qemu_target *q = qemu_target(t);
	enum machine_addressing addressing;
	size_t done = 0;

	TRY(find_addressing(q, thread, &addressing));
	while (done < len) {
		size_t n = to_page_end(address + done, len - done), got = n;

		if (!read_ram(q, addressing, address + done, (uint8_t *)ret + done, n))
			TRY(read_stub(q, thread, address + done, (uint8_t *)ret + done, MIN(n, (size_t)PIECE), &got));
		if (!got)
			break;
		done += got;
	}
	if (!done)
		return err_create(ERR_FAULT, "there is no memory at 0x%llx", (unsigned long long)address);
	breaks_hide(&q->breaks, address, ret, done);
	*ret_len = done;
	return NULL;
}

struct err *qemu_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
{
	struct qemu_target *q = qemu_target(t);

	TRY(qemu_select(q, thread));
	/* What is planted there would be overwritten, and its removal would undo the write. */
	if (q->params.patches_memory)
		TRY(qemu_unplant_within(q, address, len));
	for (size_t done = 0; done < len;) {
		_cleanup_(buf_deinit) struct buf request = BUF_INIT, reply = BUF_INIT;
		uint64_t to = address + done;
		size_t n = MIN(to_page_end(to, len - done), (size_t)PIECE);

		buf_printf(&request, "M%llx,%zx:", (unsigned long long)to, n);
		rsp_put_hex_bytes(&request, (const uint8_t *)bytes + done, n);
		TRY(qemu_ask_bytes(q, ERR_FAULT, &reply, request.data, request.len));
		done += n;
	}
	return NULL;
}
