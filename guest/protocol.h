/*
 * The control port: what the host and the guest's init say to each other. Included by both sides.
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
 * dropped. The guest sends HELLO when it sees a connection begin. A host that closes and opens again in no time may
 * go unnoticed: it sends a HELLO of its own, which the guest always answers. So a host may see more than one HELLO.
 */
#pragma once

#define KTB_PORT_NAME "ktb.init"

enum {
	KTB_PROTOCOL_VERSION = 1,

	KTB_FRAME_HEADER = 8,
	KTB_FRAME_PAYLOAD_MAX = 64 * 1024,
};

enum ktb_frame_type {
	/* Both ways: u32 version (KTB_PROTOCOL_VERSION), u32 flags. From the guest: enum ktb_hello_flags; from the host: 0. */
	KTB_FRAME_HELLO = 1,
	/* Host to guest: u16 rows, u16 columns. The size of the console's terminal from now on. */
	KTB_FRAME_WINSIZE = 2,
	/* Host to guest, no payload: end all processes, then power off or reboot. */
	KTB_FRAME_POWEROFF = 3,
	KTB_FRAME_REBOOT = 4,
};

enum ktb_hello_flags {
	/* The pvpanic driver is bound: a panic will reach QEMU as an event. */
	KTB_HELLO_PVPANIC = 1 << 0,
};
