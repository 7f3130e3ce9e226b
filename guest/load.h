/*
 * Inserts a kernel module that comes from the host.
 */
#pragma once

/*
 * Reads a module from in_fd to its end and inserts it with these parameters. What the kernel logs meanwhile is written to
 * out_fd, a line for each message. Returns 0, or the errno with which the kernel refused it.
 */
int load_module(int in_fd, const char *parameters, int out_fd);
