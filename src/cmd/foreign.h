/*
 * A kernel that was built elsewhere: --kernel, --vmlinux, --modules.
 */
#pragma once

#include "config/config.h"
#include "kbuild/manifest.h"
#include "vm/attach.h"

struct foreign {
	char *kernel;      /* what is booted: a bzImage, or a vmlinux that can be entered by PVH */
	bool decompresses; /* it is a bzImage */
	char *vmlinux;     /* its symbols, or NULL */
	char *build_id;    /* of vmlinux, or NULL */
	char *release;     /* or NULL, if the file doesn't say */
	char *modules;     /* folder /lib/modules/RELEASE, wherever it is on the host; or NULL */
	char *index;       /* folder with modules.dep and the like: the same, or one in the cache */
	int index_fd;      /* a lock on the one in the cache, which nobody removes as long as this is open; -1: none */
	char *dep;         /* modules.dep */
	struct strv load;  /* of them, those that init loads at first; relative to that folder */
	/* What the VM needs of a kernel and this one has not, for people: "VIRTIO_NET: there will be no network". */
	struct strv lacks;
};

#define FOREIGN_INIT                                                                                                   \
	{                                                                                                              \
		.index_fd = -1                                                                                         \
	}

void foreign_deinit(struct foreign *f);
DEFINE_CLEANUP_STORAGE(struct foreign, foreign_deinit);

/* Whether the configuration names such a kernel. */
bool foreign_is_asked_for(const struct config *cfg);

/* Without a kernel --vmlinux and --modules would be taken for granted, and be without effect: ERR_USAGE. */
struct err *foreign_check_options(const struct config *cfg) err_must_check;

/*
 * Looks at the files: are they there, are they a kernel, do they belong together, what does it lack, as far as its symbols
 * and modules tell? Changes nothing: where no modules.dep lies beside the modules, `index`, `dep` and `load` stay empty.
 * ERR_NOT_FOUND, ERR_USAGE; ERR_BAD_DATA if they are of different kernels.
 */
struct err *foreign_look(const struct config *cfg, struct foreign *ret) err_must_check;

/* The same; makes what is missing of `index` in the cache, and warns of what the kernel lacks. */
struct err *foreign_prepare(const struct config *cfg, struct foreign *ret) err_must_check;

/* Adds the folder of its modules to the shares. */
struct err *foreign_share(const struct foreign *f, struct attach *a) err_must_check;

/* The guest's image with the modules that init loads. *ret is its path; the caller frees it. */
struct err *foreign_image(const struct config *cfg, const struct foreign *f, char **ret) err_must_check;
