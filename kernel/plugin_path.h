/* plugin_path.h: where a stack looks for its plugins. */
#ifndef TN_PLUGIN_PATH_H
#define TN_PLUGIN_PATH_H

#include <limits.h>

/* `configured`; or if NULL $TENON_PLUGIN_PATH; or tenon/plugins beside this library, if it is there (an
 * installation that was moved, or made with another prefix); or the path that was built in. `room` is used if
 * need be. */
const char *tn_plugin_path_find(const char *configured, char room[PATH_MAX]);

#endif
