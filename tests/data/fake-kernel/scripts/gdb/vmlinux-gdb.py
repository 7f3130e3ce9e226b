# Where the kernel's own GDB scripts begin.
