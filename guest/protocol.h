/*
 * The two ports: what the host and the guest say to each other. Included by both sides.
 *
 * The control port is between the supervisor and init.
 *
 * The port is a virtio-serial port named KTB_PORT_NAME. In both directions it carries frames: a header of
 * KTB_FRAME_HEADER bytes, then the payload. Every number is little-endian, nothing is padded.
 *
 *	offset  size
 *	     0     4  length of the payload in bytes, at most KTB_FRAME_PAYLOAD_MAX
 *	     4     2  type, an enum ktb_frame_type
 *	     6     2  channel
 *	     8        payload
 *
 * Channel 0 is for the VM as a whole, and all types below belong to it. The other channels are reserved.
 *
 * A reader skips frames of a type or channel it doesn't know, and bytes of a payload behind those it knows; a payload
 * shorter than documented is ignored. So either side may be the newer one. A header with a length above the maximum
 * can't be skipped: the stream makes no sense any more, and the reader ignores everything until the host has closed
 * the port and opened it again.
 *
 * A connection lasts from the host's opening the port to its closing it; a frame that was cut off by the closing is
 * dropped. On this port only the host speaks: that it is open says that init is there, and the host reads nothing that a
 * guest wrote.
 */
/*
 * The agent's port, KTB_AGENT_PORT_NAME, is between the broker (src/supervisor/broker.h) and the agent: a process that
 * init starts when it gets KTB_FRAME_AGENT, and that runs commands and moves files for the host. It carries frames of the
 * same form. Channel 0 has SYNC, nothing else; every other channel is one command.
 *
 * The beginning. Neither side can know what a reader before it left half read: either process may have been replaced, and
 * a reconnection may go unnoticed. So a reader begins by looking for a SYNC frame, byte by byte, and drops all that comes
 * before. On a new connection the host sends KTB_AGENT_FILLER bytes of 0xff, then SYNC with a number of its own. The filler
 * completes whatever frame a reader is in, and what is left of it is a length that can't be: the reader goes back to
 * looking for SYNC. The guest ends all commands and answers with the same number; the host looks for that number.
 *
 * A channel. The host chooses a number that isn't in use and sends OPEN; the guest answers OPENED or END. END is the
 * last frame of the guest's on a channel, and each OPEN leads to exactly one; until it has come the number is in use.
 * CLOSE says that the host is no longer interested: the command's processes are hung up (SIGHUP, later SIGKILL), and END
 * follows.
 *
 * Flow control. A side may send as many bytes of a stream as it was given credit for: standard input's first credit is in
 * OPENED, those of standard output and error are in OPEN; CREDIT adds to one. The reader gives credit for what it has room
 * for, and so never has to stop reading the port: no stream holds up another one. Who sends more than it may has its
 * channel closed.
 */
#pragma once

#define KTB_PORT_NAME "ktb.init"
#define KTB_AGENT_PORT_NAME "ktb.agent"

enum {
	KTB_FRAME_HEADER = 8,
	KTB_FRAME_PAYLOAD_MAX = 64 * 1024,
};

enum ktb_frame_type {
	/* Host to guest: u16 rows, u16 columns. The size of the console's terminal from now on. */
	KTB_FRAME_WINSIZE = 2,
	/* Host to guest, no payload: end all processes, then power off. */
	KTB_FRAME_POWEROFF = 3,
	/* Host to guest, no payload: start the agent, unless it runs. */
	KTB_FRAME_AGENT = 5,
};

/* --- The agent's port --- */

enum {
	/* Longer than any frame, so that a header of it is left over. */
	KTB_AGENT_FILLER = KTB_FRAME_HEADER + KTB_FRAME_PAYLOAD_MAX + KTB_FRAME_HEADER,
	/* Data in one frame, at most: the frame is then what Linux writes to a port in one piece. */
	KTB_AGENT_DATA_MAX = 32 * 1024 - KTB_FRAME_HEADER,
	/* Credit of a stream, and so what its reader must have room for. */
	KTB_AGENT_WINDOW = 256 * 1024,
};

/* What a SYNC begins with. With the top bit set in each byte, no four of them are a length. */
#define KTB_AGENT_MAGIC "\xcb\xe1\xa7\xd3\x96\xf8\x8d\xb2\xee\x91\xc4\xaf\x87\xda\xb9\xf5"
enum { KTB_AGENT_MAGIC_SIZE = 16 };

enum ktb_agent_frame {
	/* Both ways, channel 0: the magic, u64 number. */
	KTB_AGENT_SYNC = 64,
	/*
	 * Host to guest: u32 flags (enum ktb_open_flags), u16 rows, u16 columns of its terminal, u32 credit of standard
	 * output, u32 of standard error, u16 number of arguments, u16 of variables of the environment; then strings, each
	 * ended by a zero byte: the folder to run in ("": the usual one), the arguments, the variables (NAME=value). Without
	 * arguments it is a login shell.
	 */
	KTB_AGENT_OPEN = 65,
	/*
	 * Guest to host: u32 credit of standard input. The command begins as soon as this has been written; if it can't be run,
	 * KTB_END_FAILED follows.
	 */
	KTB_AGENT_OPENED = 66,
	/* To the guest: standard input; to the host: standard output, or the terminal's. 1 to KTB_AGENT_DATA_MAX bytes. */
	KTB_AGENT_DATA = 67,
	/* Guest to host: standard error. */
	KTB_AGENT_ERROR_DATA = 68,
	/* Host to guest, no payload: the end of standard input. */
	KTB_AGENT_EOF = 69,
	/* Both ways: u32 stream (enum ktb_stream), u32 bytes. */
	KTB_AGENT_CREDIT = 70,
	/* Host to guest: u32 number of a signal for the command's process group. */
	KTB_AGENT_SIGNAL = 71,
	/* Host to guest: as KTB_FRAME_WINSIZE, for the command's terminal. */
	KTB_AGENT_WINSIZE = 72,
	/* Host to guest, no payload; answered by PONG, so that the host knows that the guest lives. */
	KTB_AGENT_PING = 73,
	KTB_AGENT_PONG = 74,
	/* Host to guest, no payload. */
	KTB_AGENT_CLOSE = 75,
	/* Guest to host: u32 how (enum ktb_end), u32 value; for KTB_END_FAILED a text that says at what. */
	KTB_AGENT_END = 76,
};

enum ktb_open_flags {
	/* With a terminal of its own. */
	KTB_OPEN_TTY = 1 << 0,
	/* The arguments are of the agent itself: KTB_SEND, KTB_RECEIVE (transfer.h). */
	KTB_OPEN_BUILTIN = 1 << 1,
};

enum ktb_stream {
	KTB_STDIN,
	KTB_STDOUT,
	KTB_STDERR,
};

enum ktb_end {
	/* The value is the exit status. */
	KTB_END_EXITED,
	/* The value is the signal's number. */
	KTB_END_SIGNALLED,
	/* It could not be started: the value is an errno. */
	KTB_END_FAILED,
	/* The host has closed it, or broken the rules. */
	KTB_END_CLOSED,
};
