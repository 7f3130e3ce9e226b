/*
 * Fuzzes the reader of transcripts: what it understands is read again as it was when it is written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_writing(const struct rsp_record *record)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;
	struct rsp_record again;
	bool more;

	rsp_transcript_put(&line, record);
	check(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
	{
		_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader r =
			RSP_TRANSCRIPT_READER_INIT(line.data, line.len);

		check(!rsp_transcript_next(&r, &more, &again) && more);
		check(again.time_us == record->time_us && again.side == record->side &&
		      again.direction == record->direction && again.event == record->event &&
		      again.len == record->len && memcmp(again.payload, record->payload, record->len) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader r =
		RSP_TRANSCRIPT_READER_INIT((const char *)data, size);
	struct rsp_record record;
	unsigned int line = 0;
	bool more = true;

	while (more) {
		struct err *e = rsp_transcript_next(&r, &more, &record);

		check(r.line > line || (!e && !more));
		line = r.line;
		if (!e && more)
			check_writing(&record);
		err_destroy(e);
	}
	return 0;
}
