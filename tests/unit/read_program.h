/*
 * A program in the place of a kernel: variables of all sorts, linked to where the fake kernel has room for them.
 */
#pragma once

#include <elf.h>

#include "debuginfo/program.h"
#include "kernel/value.h"
#include "tests/unit/compile.h"
#include "tests/unit/fake_kernel.h"

enum {
	READ_DATA = FAKE_TASKS, /* where its variables are in the image */
	READ_PER_CPU = 0x1000,  /* as linked */
};

static const char read_source[] =
	"typedef unsigned char u8;\n"
	"typedef struct { int counter; } atomic_t;\n"
	"struct list_head { struct list_head *next, *prev; };\n"
	"enum color { RED, GREEN = 5, MINUS = -2 };\n"
	"enum plain { NONE, SOME };\n"
	"struct hidden;\n"
	"struct thing {\n"
	"	int number;\n"
	"	char name[8];\n"
	"	u8 bytes[4];\n"
	"	signed char small;\n"
	"	unsigned low : 3, high : 5;\n"
	"	int sign : 4;\n"
	"	union { long in_union; struct { short deep, deeper; }; };\n"
	"	enum color color;\n"
	"	_Bool flag;\n"
	"	struct thing *next;\n"
	"	void (*call)(struct thing *, int);\n"
	"	const char *text;\n"
	"	struct list_head list;\n"
	"	int grid[2][3];\n"
	"	struct hidden *hidden;\n"
	"	atomic_t count;\n"
	"	void *nothing;\n"
	"	int flexible[];\n"
	"};\n"
	"void entry(void);\n"
	"void function(struct thing *t, int n);\n"
	"struct thing thing = {\n"
	"	.number = -3, .name = \"abc\", .bytes = { 1, 2, 0xff }, .small = -1, .low = 5, .high = 17, .sign = "
	"-2,\n"
	"	.in_union = 0x20001, .color = GREEN, .flag = 1, .next = &thing, .call = function, .text = "
	"\"te\\\"xt\\n\",\n"
	"	.list = { &thing.list, &thing.list }, .grid = { { 1, 2, 3 }, { 4, 5, 6 } }, .count = { 7 },\n"
	"	.flexible = { 8, 9 },\n"
	"};\n"
	"struct thing *pointer = &thing, *null, *wild = (void *)0xffff900000000000;\n"
	"int zeros[1000];\n"
	"int many[300] = { [0] = 1, [299] = 2 };\n"
	"struct { int a, b; } pairs[5] = { { 1, 2 }, { 1, 2 }, { 1, 2 }, { 3, 4 } };\n"
	"char full[4] = { 'f', 'u', 'l', 'l' }, binary[4] = { 1, 2, 'x', 4 };\n"
	"const volatile unsigned long jiffies = 4294937296;\n"
	"long address = (long)0xffffffff81000000;\n"
	"enum plain plain = SOME;\n"
	"static int twice __attribute__((used)) = 1;\n"
	"int per_cpu __attribute__((section(\".percpu\"))) = 0;\n"
	"int *counters = &per_cpu;\n"
	"extern const char by_linker[];\n"
	"const char *use;\n"
	"double ratio = 0.5;\n"
	"struct of_module *foreign;\n"
	"void function(struct thing *t, int n)\n"
	"{\n"
	"	static int calls = 11;\n"
	"	t->number += n + calls++;\n"
	"	if (n) { static int in_block = 12; in_block += n; }\n"
	"}\n"
	"void entry(void) { static int calls = 13; calls++; use = by_linker; function(&thing, twice); }\n";

static const char read_other_source[] =
	"struct hidden { int secret; };\n"
	"struct hidden hidden_thing = { 42 };\n"
	"struct other { char c; };\n"
	"struct other other;\n"
	"static int twice __attribute__((used)) = 2;\n"
	"__asm__(\".globl by_linker\\n.data\\n.type by_linker, @object\\n.size by_linker, 6\\n\"\n"
	"	\"by_linker: .asciz \\\"linker\\\"\\n\");\n";

static const char read_module_source[] =
	"struct of_module { int value; };\n"
	"struct of_module in_module = { 1 };\n"
	"struct hidden *of_kernel = 0;\n"
	"static int twice __attribute__((used)) = 3;\n"
	"int module_counter __attribute__((section(\".data..percpu\"))) = 0;\n"
	"void module_function(void) { static int module_calls = 31; module_calls++; }\n"
	"void (*hook)(void) = module_function;\n";

static inline struct err *write_text(const char *folder, const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);

	return write_file_atomic(path, text, strlen(text), 0666);
}

/* Compiles it in the folder, to "program". */
static inline struct err *read_program_make(const char *folder, const char *debug)
{
	const char *cc = getenv("CC");
	_cleanup_(free) char *data = xasprintf("-Wl,--section-start=.data=0x%llx",
					       (unsigned long long)(FAKE_TEXT + READ_DATA));
	_cleanup_(free) char *bss = xasprintf("-Wl,--section-start=.bss=0x%llx",
					      (unsigned long long)(FAKE_TEXT + READ_DATA + 0x3000));
	_cleanup_(free) char *rodata = xasprintf("-Wl,--section-start=.rodata=0x%llx",
						 (unsigned long long)(FAKE_TEXT + READ_DATA + 0x5000));
	_cleanup_(free) char *text = xasprintf("-Wl,--section-start=.text=0x%llx",
					       (unsigned long long)(FAKE_TEXT + READ_DATA + 0x7000));
	_cleanup_(free) char *per_cpu = xasprintf("-Wl,--section-start=.percpu=0x%x", READ_PER_CPU);
	const char *const argv[] = { cc ? cc : "cc",
				     debug,
				     "-O1",
				     "-w",
				     "-nostdlib",
				     "-static",
				     "-fno-pic",
				     "-no-pie",
				     "-mcmodel=kernel",
				     "-fno-asynchronous-unwind-tables",
				     "-Wl,-e,entry",
				     "-Wl,--build-id",
				     "-Wl,-n,-z,noseparate-code",
				     data,
				     bss,
				     rodata,
				     text,
				     per_cpu,
				     "-o",
				     "program",
				     "a.c",
				     "b.c",
				     NULL };

	TRY(write_text(folder, "a.c", read_source));
	TRY(write_text(folder, "b.c", read_other_source));
	return process_run(argv, folder, NULL, NULL);
}

/* Compiles a module in the folder, to "module.ko". */
static inline struct err *read_module_make(const char *folder, const char *debug)
{
	const char *cc = getenv("CC");
	const char *const argv[] = { cc ? cc : "cc", debug,         "-O1", "-w",        "-fno-pic", "-mcmodel=kernel",
				     "-c",           "-fno-common", "-o",  "module.ko", "module.c", NULL };

	TRY(write_text(folder, "module.c", read_module_source));
	return process_run(argv, folder, NULL, NULL);
}

/* As the kernel does to itself with KASLR: whatever is an address within the image moves with it. */
static inline void read_program_slide(struct fake_kernel *f)
{
	for (size_t at = READ_DATA; at < FAKE_PER_CPU; at += 8) {
		uint64_t value = fake_get64(f, at);

		if (value >= FAKE_TEXT && value < FAKE_TEXT + FAKE_SIZE)
			fake_put64(f, at, value + f->slide);
	}
}

/* Puts what the program has at the image's addresses into the image. */
static inline void read_program_load(struct fake_kernel *f, const void *elf, size_t size)
{
	Elf64_Ehdr head;

	if (size < sizeof(head))
		return;
	memcpy(&head, elf, sizeof(head));
	for (size_t i = 0; i < head.e_phnum; i++) {
		size_t at = head.e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr segment;

		if (at > size || size - at < sizeof(segment))
			return;
		memcpy(&segment, (const char *)elf + at, sizeof(segment));
		if (segment.p_type != PT_LOAD || segment.p_vaddr < FAKE_TEXT + READ_DATA ||
		    segment.p_vaddr > FAKE_TEXT + FAKE_SIZE ||
		    segment.p_filesz > FAKE_TEXT + FAKE_SIZE - segment.p_vaddr || segment.p_offset > size ||
		    segment.p_filesz > size - segment.p_offset)
			continue;
		memcpy(f->image + (segment.p_vaddr - FAKE_TEXT), (const char *)elf + segment.p_offset,
		       segment.p_filesz);
	}
	read_program_slide(f);
}

/* A kernel with two CPUs, whose own data is at READ_PER_CPU as linked. */
static inline struct fake_kernel *read_kernel_create(uint64_t slide)
{
	struct fake_kernel *f = fake_create(0x400000, slide);

	fake_symbol(f, FACT_IMAGE_END, FAKE_SIZE, 0);
	f->facts[FACT_PER_CPU_START] = (struct layout_answer){ .found = true, .value = READ_PER_CPU };
	f->facts[FACT_PER_CPU_END] = (struct layout_answer){ .found = true, .value = READ_PER_CPU + 0x1000 };
	memset(f->image + FAKE_PER_CPU, 0, 0x2000);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		fake_put64(f, FAKE_PER_CPU_OFFSET + cpu * 8,
			   fake_direct(f, FAKE_PER_CPU + cpu * 0x1000) - READ_PER_CPU);
		fake_put32(f, FAKE_PER_CPU + cpu * 0x1000, 100 + cpu);
	}
	/* Masks of possible and running CPUs, where the tasks would be that this kernel hasn't got. */
	fake_symbol(f, FACT_CPU_POSSIBLE, FAKE_MM, 8);
	fake_symbol(f, FACT_CPU_ONLINE, FAKE_MM + 8, 8);
	fake_put64(f, FAKE_MM, 3);
	fake_put64(f, FAKE_MM + 8, 3);
	return f;
}
