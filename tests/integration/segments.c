/*
 * Whether what a core file says of virtual addresses is what libaddrxlat finds in the page tables that are in it.
 * usage: segments CORE. Goes through the pages of all segments; prints how many agree, and each that doesn't (status 1).
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, EACH_MAX = 20000, SAID_MAX = 20 };

static Elf64_Phdr *segments;
static size_t segments_n;

static void give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(2);
}

static void read_segments(int fd)
{
	Elf64_Ehdr head;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		give_up("no header");
	segments_n = head.e_phnum;
	segments = calloc(segments_n, sizeof(*segments));
	if (!segments || pread(fd, segments, segments_n * sizeof(*segments), (off_t)head.e_phoff) !=
				 (ssize_t)(segments_n * sizeof(*segments)))
		give_up("no segments");
}

/* The physical address that a place in the file has; those that say it are the direct map. */
static uint64_t phys_of(uint64_t offset)
{
	for (size_t i = 0; i < segments_n; i++) {
		const Elf64_Phdr *p = &segments[i];

		if (p->p_type == PT_LOAD && p->p_paddr != UINT64_MAX && offset - p->p_offset < p->p_filesz)
			return p->p_paddr + (offset - p->p_offset);
	}
	return UINT64_MAX;
}

static int translate(addrxlat_ctx_t *ctx, addrxlat_sys_t *sys, uint64_t virt, uint64_t *ret)
{
	addrxlat_step_t step = { .ctx = ctx, .sys = sys, .base = { virt, ADDRXLAT_KVADDR } };

	step.meth = addrxlat_sys_get_meth(sys, ADDRXLAT_SYS_METH_PGT);
	if (addrxlat_walk(&step) != ADDRXLAT_OK) {
		addrxlat_ctx_clear_err(ctx);
		return 0;
	}
	*ret = step.base.addr;
	return 1;
}

int main(int argc, char **argv)
{
	const kdump_attr_t linux_type = { .type = KDUMP_STRING, .val.string = "linux" };
	unsigned int agree = 0, differ = 0, absent = 0;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	kdump_ctx_t *kdump = kdump_new();
	addrxlat_ctx_t *ctx;
	addrxlat_sys_t *sys;

	if (fd < 0 || kdump_open_fd(kdump, fd) != KDUMP_OK)
		give_up("no core");
	if (kdump_set_attr(kdump, KDUMP_ATTR_OSTYPE, &linux_type) != KDUMP_OK ||
	    kdump_get_addrxlat(kdump, &ctx, &sys) != KDUMP_OK)
		give_up(kdump_get_err(kdump));
	read_segments(fd);
	for (size_t i = 0; i < segments_n; i++) {
		const Elf64_Phdr *p = &segments[i];
		uint64_t pages = p->p_type == PT_LOAD ? p->p_filesz / PAGE : 0, step = pages / EACH_MAX + 1;

		for (uint64_t n = 0; n < pages; n += step) {
			uint64_t said = phys_of(p->p_offset + n * PAGE), found;

			if (!translate(ctx, sys, p->p_vaddr + n * PAGE, &found)) {
				/* All of the RAM is in the core, but the firmware's part is not mapped. */
				absent += p->p_paddr != UINT64_MAX;
				differ += p->p_paddr == UINT64_MAX;
			} else if (found == said) {
				agree++;
			} else if (differ++ < SAID_MAX) {
				printf("0x%" PRIx64 ": the core says 0x%" PRIx64 ", libaddrxlat 0x%" PRIx64 "\n",
				       (uint64_t)p->p_vaddr + n * PAGE, said, found);
			}
		}
	}
	printf("segments %zu agree %u absent %u differ %u\n", segments_n, agree, absent, differ);
	return differ != 0;
}
