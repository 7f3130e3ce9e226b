/*
 * The file systems that every program expects, and the links in /dev.
 */
#pragma once

/* proc, sys and dev: what init itself needs. Also sees to it that descriptors 0 to 2 are open. */
void mount_first(void);

/* What the shell and its programs need, and the links. */
void mount_rest(void);

/* What takes its time: mounting bpf has the kernel look for its module bpf_preload, and run modprobe for that. */
void mount_late(void);
