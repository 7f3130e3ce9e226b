/*
 * What of the host a VM is given: folders, disks, ports. How the user writes them, and how QEMU and the guest's init
 * are told. Pure: nothing here looks whether they exist.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* A folder, over 9p. */
struct share {
	char *host;    /* as given; absolute from a configuration */
	char *guest;   /* where init mounts it; absolute */
	bool writable; /* otherwise QEMU itself refuses every change */
	/*
	 * What the guest makes gets its owner, mode and type only in extended attributes. Needed where QEMU runs as root:
	 * otherwise a guest could make device files and setuid programs of root's on the host.
	 */
	bool mapped;
};

enum disk_format {
	DISK_RAW,
	DISK_QCOW2,
};

struct disk {
	char *path;
	bool readonly;
	bool snapshot; /* what is written is forgotten at the end */
	bool format_given;
	enum disk_format format; /* by the name's ending, unless it was given */
};

struct forward {
	bool udp;
	bool any_host_port; /* "auto": host_port is 0 until one was found */
	uint16_t host_port; /* on 127.0.0.1 */
	uint16_t guest_port;
};

struct attach {
	struct share *shares;
	size_t shares_n;
	struct disk *disks;
	size_t disks_n;
	struct forward *forwards;
	size_t forwards_n;
	char *root; /* folder of the host that becomes the guest's root, below an overlay; NULL: none */
};

void attach_deinit(struct attach *a);
DEFINE_CLEANUP_STORAGE(struct attach, attach_deinit);

/* So many of each; for shares guest/options.h has the same number. */
enum { ATTACH_MAX = 16 };

/*
 * Each adds what the text says. ERR_USAGE that names the text.
 *
 *	HOST[:GUEST][:ro|:rw]                     GUEST is absolute, /mnt/NAME if it isn't there
 *	FILE[:ro][:snapshot][:raw|:qcow2]         in any order
 *	[tcp:|udp:]HOSTPORT:GUESTPORT             HOSTPORT may be auto
 */
struct err *attach_add_share(struct attach *a, const char *text) err_must_check;
struct err *attach_add_disk(struct attach *a, const char *text) err_must_check;
struct err *attach_add_forward(struct attach *a, const char *text) err_must_check;

/* "raw" or "qcow2". Static. */
const char *disk_format_name(enum disk_format format);

/* The forward as the user would write it, with the port that was found: "tcp:2222:22". The caller frees it. */
char *forward_format(const struct forward *f);

/* All forwards so, with blanks between them; NULL if there are none. The caller frees it. */
char *attach_format_forwards(const struct attach *a);

/* QEMU's arguments for shares, root and disks; the value of -netdev, with the forwards in it. */
void attach_argv(const struct attach *a, struct strv *argv);
char *attach_netdev(const struct attach *a);

/* The words of the kernel's command line that tell init of the shares. */
void attach_cmdline(const struct attach *a, struct strv *words);

/* A path as a word of the kernel's command line: what is no plain character is %XX. The caller frees it. */
char *attach_escape_word(const char *path);
