#include "vm/argv.h"

#include "vm/firmware.h"

/*
 * What breaks out of the guest into QEMU shall start no programs: a VM of ours needs none. It also holds for the monitor's
 * migrate exec:. Whoever gives QEMU a -sandbox of his own has that.
 */
static void add_sandbox(const struct vm_params *p, struct strv *argv)
{
	if (p->no_sandbox || (p->extra_args && strv_contains(p->extra_args, "-sandbox")))
		return;
	strv_add(argv, "-sandbox");
	strv_add(argv, VM_SANDBOX);
}

/*
 * q35 without its usual company: every device costs boot time, for the firmware's tables as well as for the kernel's
 * probes.
 */
static void add_machine(const struct vm_params *p, struct strv *argv)
{
	strv_add(argv, p->qemu);
	strv_add(argv, "-name");
	strv_addf(argv, "ktb-%s,process=ktb-%s", p->name, p->name);
	strv_add(argv, "-machine");
	strv_add(argv, "q35,memory-backend=ram,sata=off,smbus=off,usb=off,vmport=off");
	/*
	 * One thread for all CPUs: with a thread for each, one of 52 boots of 6.12 under QEMU 7.2 ended at a kdb prompt, at
	 * the int3 that the kernel puts into sched_clock_cpu() for a moment (text_poke_bp). A CPU seems to keep a
	 * translation of code that another one was just patching. With one thread 111 boots in a row were fine.
	 */
	strv_add(argv, "-accel");
	strv_add(argv, p->accel == VM_ACCEL_KVM ? "kvm" : "tcg,thread=single");
	strv_add(argv, "-cpu");
	strv_add(argv, p->accel == VM_ACCEL_KVM ? "host" : "max");
	strv_add(argv, "-smp");
	strv_addf(argv, "%u", p->cpus);
	strv_add(argv, "-m");
	strv_addf(argv, "%lluM", (unsigned long long)(p->memory / MIB));
	/* No default devices, no files of the host's or the user's that add any. */
	strv_add_all(argv, (const char *const[]){ "-nodefaults", "-no-user-config", "-display", "none", NULL });
	if (p->qboot)
		strv_add_all(argv, (const char *const[]){ "-bios", FIRMWARE_QBOOT, NULL });
	add_sandbox(p, argv);
}

char *vm_cmdline(const struct vm_params *p)
{
	/*
	 * Under emulation the timer check can fail for want of speed, and then the kernel panics; and QEMU's TSC is one
	 * clock for all CPUs, whatever the kernel's measurements say.
	 */
	return xasprintf("%s%s", p->accel == VM_ACCEL_TCG ? "no_timer_check tsc=reliable " : "", p->cmdline);
}

static void add_kernel(const struct vm_params *p, struct strv *argv)
{
	strv_add(argv, "-kernel");
	strv_add(argv, p->kernel);
	if (p->initrd) {
		strv_add(argv, "-initrd");
		strv_add(argv, p->initrd);
	}
	strv_add(argv, "-append");
	strv_take(argv, vm_cmdline(p));
	if (p->wait)
		strv_add(argv, "-S");
}

static void add_network(const struct vm_params *p, struct strv *argv)
{
	const struct attach none = { .root = NULL };

	strv_add(argv, "-netdev");
	strv_take(argv, attach_netdev(p->attach ? p->attach : &none));
	strv_add_all(argv, (const char *const[]){ "-device", "virtio-net-pci,netdev=net0,romfile=", NULL });
}

static void add_devices(const struct vm_params *p, struct strv *argv)
{
	/* vmcoreinfo: where the guest's kernel tells QEMU what dumps of it should say. */
	strv_add_all(argv, (const char *const[]){ "-device", "pvpanic-pci", "-device", "vmcoreinfo", NULL });
	add_network(p, argv);
	strv_add_all(argv, (const char *const[]){
				   "-device",
				   "virtio-rng-pci",
				   "-device",
				   "virtio-serial-pci,max_ports=3",
				   "-device",
				   "virtserialport,id=init,chardev=init,name=" VM_INIT_PORT,
				   "-device",
				   "virtserialport,id=agent,chardev=agent,name=" VM_AGENT_PORT,
				   NULL,
			   });
	if (p->attach)
		attach_argv(p->attach, argv);
}

static void add_extra(const struct vm_params *p, struct strv *argv)
{
	if (p->extra_args && p->extra_args->n)
		strv_add_all(argv, (const char *const *)p->extra_args->v);
}

static void add_socket(struct strv *argv, const char *id, int fd)
{
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=%s,fd=%d", id, fd);
}

void vm_argv(const struct vm_params *p, const struct vm_channels *c, struct strv *argv)
{
	add_machine(p, argv);
	strv_add(argv, "-object");
	strv_addf(argv, "memory-backend-file,id=ram,size=%lluM,mem-path=/proc/self/fd/%d,share=on",
		  (unsigned long long)(p->memory / MIB), c->ram_fd);
	/*
	 * FIFOs, for they hold 1 MiB of single bytes; a socket holds some hundred, and then the guest's UART, which
	 * waits no longer than 10 ms for each, drops them.
	 */
	strv_add(argv, "-chardev");
	strv_addf(argv, "pipe,id=" VM_SERIAL ",path=/proc/self/fd/%d/serial", c->dir_fd);
	if (p->kgdb_line) {
		strv_add(argv, "-chardev");
		strv_addf(argv, "pipe,id=kgdb,path=/proc/self/fd/%d/kgdb", c->dir_fd);
	}
	add_socket(argv, "qmp", c->qmp_fd);
	add_socket(argv, "hmp", c->hmp_fd);
	add_socket(argv, "init", c->init_fd);
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=stub,fd=%d,server=on,wait=off", c->stub_fd);
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=agent,fd=%d,server=on,wait=off", c->agent_fd);
	strv_add_all(argv, (const char *const[]){ "-serial", "chardev:" VM_SERIAL, NULL });
	if (p->kgdb_line)
		strv_add_all(argv, (const char *const[]){ "-serial", "chardev:kgdb", NULL });
	strv_add_all(argv, (const char *const[]){
				   "-mon",
				   "chardev=qmp,mode=control",
				   "-mon",
				   "chardev=hmp,mode=readline",
				   "-gdb",
				   "chardev:stub",
				   /* Whatever ends the guest only stops it: the supervisor decides what comes next. */
				   "-action",
				   "panic=pause,reboot=shutdown,shutdown=pause",
				   NULL,
			   });
	add_devices(p, argv);
	add_kernel(p, argv);
	add_extra(p, argv);
}

void vm_argv_by_hand(const struct vm_params *p, uint16_t port, struct strv *argv)
{
	add_machine(p, argv);
	strv_add(argv, "-object");
	strv_addf(argv, "memory-backend-memfd,id=ram,size=%lluM,share=on", (unsigned long long)(p->memory / MIB));
	strv_add_all(argv, (const char *const[]){
				   "-serial",
				   "mon:stdio",
				   NULL,
			   });
	/* QEMU says which terminal it has made for it. */
	if (p->kgdb_line)
		strv_add_all(argv, (const char *const[]){ "-serial", "pty", NULL });
	strv_add_all(argv, (const char *const[]){
				   "-chardev",
				   "null,id=init",
				   "-chardev",
				   "null,id=agent",
				   "-action",
				   "panic=pause",
				   NULL,
			   });
	if (port) {
		strv_add(argv, "-gdb");
		strv_addf(argv, "tcp:127.0.0.1:%u", port);
	}
	add_devices(p, argv);
	add_kernel(p, argv);
	add_extra(p, argv);
}
