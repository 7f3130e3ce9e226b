/*
 * What a build has made so far, seen in its folder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Counts the object files below the folder `out` that Kbuild made for the kernel. A folder that isn't there has none.
 *
 * With remove_torn, for a build that was killed: also removes what may be half-written. Kbuild writes .NAME.cmd when
 * NAME is complete; a NAME that is newer than its .cmd was being written. make would take it for up to date.
 */
struct err *objects_survey(const char *out, bool remove_torn, size_t *ret) err_must_check;

/*
 * Counts those of them that make will make anew because the source has changed (stale.h). An estimate; it takes some tenths of
 * a second.
 */
struct err *objects_count_stale(const char *out, size_t *ret) err_must_check;

/*
 * How many object files a kernel with that many options (=y or =m) will have, judging by one that was built: `options`
 * and `objects` of that one, 0 if there is none.
 */
size_t objects_estimate(size_t wanted_options, size_t options, size_t objects);
