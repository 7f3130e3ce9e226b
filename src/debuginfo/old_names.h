/*
 * Names that functions had in older kernels, as books and articles still have them, and what they are called now.
 */
#pragma once

#include <stdbool.h>

#include "debuginfo/symbols.h"

/*
 * If name is the old name of a function that the kernel with these symbols has under a new one, and has no function of
 * the old name: true, the new name, and a note for the user that says why. The caller frees both.
 */
bool old_name_translate(const struct symbols *s, const char *name, char **ret_name, char **ret_note);
