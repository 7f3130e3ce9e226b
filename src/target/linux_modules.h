/*
 * The guest's modules as libraries of a debugger: where each section of their files lies (GDB manual, node Library List
 * Format). GDB reads the files itself; it wants an address for each section that takes memory, in the file's order.
 */
#pragma once

#include "target/linux_private.h"

struct linux_modules *linux_modules_create(void);
void linux_modules_destroy(struct linux_modules *m);
DEFINE_CLEANUP(struct linux_modules *, linux_modules_destroy);

/* The machine stands still (again). */
void linux_modules_stopped(struct linux_target *l);
/* The kernel is gone, and with it all modules. */
void linux_modules_forget(struct linux_target *l);

/*
 * Whether the client, if it ever asked for the list, has to ask again: that is counted as told. A message for the user goes
 * to ret->message.
 */
bool linux_modules_news(struct linux_target *l, struct target_event *ret);

/* See target_libraries(). Empty as long as no module is known. */
struct err *linux_libraries(struct target *t, bool placed, struct buf *ret) err_must_check;

/* Hooks: linux_hooks.h. */
bool linux_module_comes(struct linux_target *l, struct target_event *event);
bool linux_module_goes(struct linux_target *l, struct target_event *event);
void linux_module_is_coming(struct linux_target *l, uint32_t thread);
void linux_module_is_going(struct linux_target *l, uint32_t thread);

struct symbols;

/*
 * The symbols of the module that has the address, opened for the caller to destroy, and its name, which lives as long as the
 * machine stands still. False: nobody's, or its file is not known.
 */
bool linux_module_symbols(struct linux_target *l, uint64_t address, struct symbols **ret, const char **ret_name);
