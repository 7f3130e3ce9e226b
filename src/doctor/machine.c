#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fs.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/programs.h"
#include "base/util.h"
#include "doctor/check.h"
#include "kbuild/toolchain.h"
#include "vm/kvm_probe.h"

/*
 * Measured with 6.12, the larger of the kernels that are tested: source 1.7 GB, build 1.2 GB; profiles need up to
 * 0.7 GB more. Linking takes the memory.
 */
enum { BUILD_DISK_MB = 4096, SPARE_DISK_MB = 512, BUILD_MEMORY_MB = 1024, COLUMNS_MIN = 80, ROWS_MIN = 24 };

static const char works_with_tcg[] = "VMs run by emulation (TCG): everything works, several times slower";

/* --- KVM --- */

static bool wants_kvm(const struct doctor *d)
{
	return streq(config_string(d->cfg, OPT_VM_ACCEL), "kvm");
}

/* What it means that there is no KVM depends on whether somebody insists. */
static void say_no_kvm(struct doctor *d, char *found, const char *remedy)
{
	_cleanup_(free) char *text = found;

	if (wants_kvm(d))
		say(d, DOCTOR_PROBLEM, xstrdup(text), xstrdup("vm.accel = kvm asks for it: the VM won't run"),
		    xasprintf("%s; or take vm.accel = auto (--accel auto)", remedy));
	else
		say_text(d, DOCTOR_WARNING, text, works_with_tcg, remedy);
}

static bool is_member(gid_t group)
{
	gid_t groups[1024];
	int n = getgroups((int)ARRAY_SIZE(groups), groups);

	for (int i = 0; i < n; i++) {
		if (groups[i] == group)
			return true;
	}
	return getegid() == group;
}

static bool is_listed(const struct group *g, const char *user)
{
	for (char **member = g->gr_mem; member && *member; member++) {
		if (streq(*member, user))
			return true;
	}
	return false;
}

static void say_no_access(struct doctor *d)
{
	const struct passwd *user = getpwuid(geteuid());
	_cleanup_(free) char *name = user ? xstrdup(user->pw_name) : xasprintf("%u", geteuid());
	const struct group *g;
	struct stat st;

	if (stat(KVM_PROBE_DEVICE, &st) < 0 || !(g = getgrgid(st.st_gid)) || is_member(st.st_gid) ||
	    !(st.st_mode & S_IWGRP)) {
		say_no_kvm(d, xasprintf("%s can't be opened by %s: permission denied", KVM_PROBE_DEVICE, name),
			   "have root allow it: setfacl -m u:USER:rw " KVM_PROBE_DEVICE);
		return;
	}
	if (is_listed(g, name)) {
		say_no_kvm(d,
			   xasprintf("%s belongs to the group %s; %s is in it, but this session is older than that",
				     KVM_PROBE_DEVICE, g->gr_name, name),
			   "log out and in again");
		return;
	}
	_cleanup_(free) char *remedy = xasprintf("sudo usermod -aG %s %s, then log out and in again", g->gr_name, name);

	say_no_kvm(d, xasprintf("%s belongs to the group %s, and %s is not in it", KVM_PROBE_DEVICE, g->gr_name, name),
		   remedy);
}

struct err *check_kvm_access(struct doctor *d)
{
	_cleanup_(close) int fd = -1;

	if (streq(config_string(d->cfg, OPT_VM_ACCEL), "tcg")) {
		say_text(d, DOCTOR_SKIPPED, "vm.accel = tcg does without", NULL, NULL);
		return NULL;
	}
	fd = open(KVM_PROBE_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		say_text(d, DOCTOR_OK, KVM_PROBE_DEVICE " can be opened", NULL, NULL);
	else if (errno == EACCES || errno == EPERM)
		say_no_access(d);
	else if (errno == ENOENT)
		say_no_kvm(d, xstrdup("there is no " KVM_PROBE_DEVICE),
			   "turn virtualization on in the firmware, load the module kvm_intel or kvm_amd, or, in a VM, "
			   "turn "
			   "nested virtualization on");
	else
		say_no_kvm(d, xasprintf(KVM_PROBE_DEVICE " can't be opened: %s", strerrordesc_np(errno)),
			   "look at what dmesg says of kvm");
	return NULL;
}

struct err *check_kvm(struct doctor *d)
{
	_cleanup_(kvm_probe_destroy) struct kvm_probe *probe = NULL;
	_cleanup_(free) char *why = NULL;

	TRY(kvm_probe_start(KVM_PROBE_DEVICE, &probe));
	TRY(kvm_probe_finish(probe, &why));
	if (!why)
		say_text(d, DOCTOR_OK, "a VM ran instructions that broken KVMs stumble over", NULL, NULL);
	else
		say_no_kvm(d, xasprintf("tried in a VM: %s", why),
			   "nothing here: a host that offers KVM and can't run every kernel, as some nested ones, must "
			   "be mended "
			   "from outside");
	return NULL;
}

/* --- Programs --- */

struct err *check_qemu(struct doctor *d)
{
	const char *qemu = config_string(d->cfg, OPT_VM_QEMU);
	_cleanup_(free) char *path = qemu ? find_program(qemu) : NULL;
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	const char *const argv[] = { path, "--version", NULL };
	struct err *e;

	if (!path) {
		say(d, DOCTOR_PROBLEM, xasprintf("%s is not installed (not found on PATH)", qemu ? qemu : "QEMU"),
		    xstrdup("no VM can be started"), program_remedy(qemu ? qemu : "qemu-system-x86_64"));
		return NULL;
	}
	e = process_run(argv, NULL, NULL, &out);
	if (!e && !strstr(buf_str(&out), "QEMU"))
		e = err_create(ERR_BAD_DATA, "%s doesn't say that it is QEMU", path);
	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "no VM can be started",
			  "install it again, or name another with vm.qemu (--qemu)");
		return NULL;
	}
	say(d, DOCTOR_OK, xasprintf("%.*s (%s)", (int)strcspn(out.data, "\n"), out.data, path), NULL, NULL);
	return NULL;
}

struct err *check_gdb(struct doctor *d)
{
	struct doctor_gdb gdb = { NULL, 0, false };
	struct err *e = d->ops->gdb(d->cfg, &gdb);

	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "ktb gdb can't work; VMs and other debuggers can",
			  "install the package gdb, or name another with gdb.program (--program)");
		return NULL;
	}
	if (gdb.python)
		say(d, DOCTOR_OK, xasprintf("%s, version %u, with Python", gdb.path, gdb.major), NULL, NULL);
	else
		say(d, DOCTOR_WARNING, xasprintf("%s, version %u, was built without Python", gdb.path, gdb.major),
		    xstrdup("the kernel's lx-* commands are missing; all else works"),
		    xstrdup("install a GDB with Python (Debian: gdb, not gdb-minimal), or name it with gdb.program"));
	free(gdb.path);
	return NULL;
}

struct err *check_build_tools(struct doctor *d)
{
	_cleanup_(toolchain_deinit) struct toolchain t = TOOLCHAIN_INIT;
	const char *cc = config_string(d->cfg, OPT_KERNEL_CC);
	struct err *e;

	if (is_foreign(d, true))
		return NULL;
	e = toolchain_find(cc ? cc : "gcc", config_bool(d->cfg, OPT_KERNEL_CCACHE), NULL, &t);

	if (!e)
		e = toolchain_check();
	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "no kernel can be built", "install what is missing");
		return NULL;
	}
	say(d, DOCTOR_OK, xasprintf("all there; %s; %s", t.cc_version, t.ccache ? "ccache" : "no ccache"), NULL, NULL);
	return NULL;
}

struct err *check_userland(struct doctor *d)
{
	char *path = NULL;
	struct err *e = d->ops->userland(&path);

	if (e)
		say_error(d, DOCTOR_PROBLEM, e, "the guest would have no shell: no VM can be started",
			  "install the package busybox-static: apt-get install busybox-static");
	else
		say(d, DOCTOR_OK, xasprintf("%s, static", path), NULL, NULL);
	free(path);
	return NULL;
}

/* --- Room --- */

/* The nearest folder of the path that exists. */
static char *existing_folder(const char *path)
{
	char *folder = xstrdup(path), *slash;

	while (!is_directory(folder) && (slash = strrchr(folder, '/')) && slash > folder)
		*slash = '\0';
	if (!is_directory(folder))
		folder[1] = '\0';
	return folder;
}

static bool is_kernel_complete(struct doctor *d)
{
	const struct kbuild_inspection *i;
	_cleanup_(err_destroy) struct err *e = inspect_kernel(d, &i);

	return !e && i->complete;
}

struct err *check_disk(struct doctor *d)
{
	_cleanup_(free) char *cache = NULL, *folder = NULL;
	bool built = is_foreign(d, false) || is_kernel_complete(d);
	struct statvfs st;
	uint64_t free_mb;

	TRY(cache_dir(&cache));
	folder = existing_folder(cache);
	if (access(folder, W_OK) < 0) {
		say(d, DOCTOR_PROBLEM, xasprintf("%s can't be written to", folder),
		    xstrdup("kernels are kept there: none can be built"),
		    xstrdup("make it yours, or name another place with XDG_CACHE_HOME"));
		return NULL;
	}
	if (statvfs(folder, &st) < 0)
		return err_os(errno, "look at the room in %s", folder);
	free_mb = (uint64_t)st.f_bavail * st.f_frsize / MIB;
	if (free_mb >= BUILD_DISK_MB)
		say(d, DOCTOR_OK, xasprintf("%llu MB free in %s", (unsigned long long)free_mb, folder), NULL, NULL);
	else
		say(d, built && free_mb >= SPARE_DISK_MB ? DOCTOR_WARNING : DOCTOR_PROBLEM,
		    xasprintf("only %llu MB free in %s", (unsigned long long)free_mb, folder),
		    xasprintf("unpacking and building a kernel takes about %d MB%s", BUILD_DISK_MB,
			      built ? " (the one that is asked for is there already)" : ""),
		    xstrdup("make room, or name another place with XDG_CACHE_HOME"));
	return NULL;
}

/* A line of /proc/meminfo in MB; 0 if it isn't there. */
static uint64_t memory_info(const char *name)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	unsigned long long kb = 0;
	const char *line;

	err_ignore(read_file("/proc/meminfo", 1 << 16, &text));
	line = strstr(buf_str(&text), name);
	if (line && sscanf(line + strlen(name), ": %20llu", &kb) != 1)
		kb = 0;
	return kb / 1024;
}

struct err *check_memory(struct doctor *d)
{
	uint64_t available = memory_info("MemAvailable"), total = memory_info("MemTotal");
	uint64_t wanted = config_number(d->cfg, OPT_VM_MEMORY) / MIB;
	_cleanup_(free) char *found = xasprintf("%llu MB available of %llu MB", (unsigned long long)available,
						(unsigned long long)total);

	if (wanted > total)
		say(d, DOCTOR_PROBLEM, steal(&found),
		    xasprintf("vm.memory gives the guest %llu MB: when it uses them, this machine has no more",
			      (unsigned long long)wanted),
		    xstrdup("give it less: --memory, vm.memory"));
	else if (available < BUILD_MEMORY_MB || available < wanted)
		say(d, DOCTOR_WARNING, steal(&found),
		    xasprintf("a build takes about %d MB, and the guest, if it uses all that it is given, %llu MB",
			      BUILD_MEMORY_MB, (unsigned long long)wanted),
		    xstrdup("end something that takes much, give the guest less (--memory), or build with fewer jobs "
			    "(--jobs)"));
	else
		say(d, DOCTOR_OK, steal(&found), NULL, NULL);
	return NULL;
}

/* --- The terminal --- */

struct err *check_terminal(struct doctor *d)
{
	_cleanup_(close) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	const char *term = getenv("TERM");
	struct winsize size = { 0 };

	if (fd < 0) {
		say_text(d, DOCTOR_SKIPPED, "there is no terminal here", NULL, NULL);
		return NULL;
	}
	if (!term || !*term || streq(term, "dumb")) {
		say(d, DOCTOR_WARNING, xasprintf("TERM is %s", term && *term ? term : "not set"),
		    xstrdup("the guest's shell doesn't know what the terminal can do; ktb up, and GDB's full-screen "
			    "mode, "
			    "don't work"),
		    xstrdup("set it to what the terminal is: export TERM=xterm-256color"));
		return NULL;
	}
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		say_text(d, DOCTOR_WARNING, "the terminal doesn't tell its size",
			 "lines in the guest break at the wrong place", "tell it: stty rows 40 cols 120");
	else if (size.ws_col < COLUMNS_MIN || size.ws_row < ROWS_MIN)
		say(d, DOCTOR_WARNING, xasprintf("%u columns, %u rows, TERM=%s", size.ws_col, size.ws_row, term),
		    xasprintf("the kernel's messages need %d columns; ktb up has little room", COLUMNS_MIN),
		    xstrdup("make the window larger"));
	else
		say(d, DOCTOR_OK, xasprintf("%u columns, %u rows, TERM=%s", size.ws_col, size.ws_row, term), NULL,
		    NULL);
	return NULL;
}
