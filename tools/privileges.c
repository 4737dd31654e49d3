/* privileges.c: giving up what only the start needed.
 *
 * Opening a TAP device takes CAP_NET_ADMIN, a packet socket CAP_NET_RAW, and making the control socket's directory may take root. After
 * that the stack moves bytes between descriptors that it has. The order matters: the bounding set needs
 * CAP_SETPCAP, changing the user needs CAP_SETUID, so capabilities go last. */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tool.h"

bool find_identity(const char *name, struct identity *identity)
{
    const struct passwd *user = getpwnam(name);
    if (!user)
        return false;
    *identity = (struct identity){.name = name, .uid = user->pw_uid, .gid = user->pw_gid};
    return true;
}

static bool become(const struct identity *identity, struct tn_text *done)
{
    if (initgroups(identity->name, identity->gid) == 0 &&
        setresgid(identity->gid, identity->gid, identity->gid) == 0 &&
        setresuid(identity->uid, identity->uid, identity->uid) == 0)
        return true;
    tn_text_add(done, "cannot become user %s: %s", identity->name, strerror(errno));
    return false;
}

bool drop_privileges(const struct identity *identity, struct tn_text *done)
{
    capng_get_caps_process();
    bool had_any = capng_have_capabilities(CAPNG_SELECT_CAPS) > CAPNG_NONE;
    capng_clear(CAPNG_SELECT_BOTH);
    bool bounded = capng_apply(CAPNG_SELECT_BOUNDS) == 0;
    if (identity->name && !become(identity, done))
        return false;
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        tn_text_add(done, "cannot drop the capabilities: %s", strerror(errno));
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        tn_text_add(done, "cannot rule out new privileges: %s", strerror(errno));
        return false;
    }
    tn_text_add(done, "%s%s", had_any ? "dropped all capabilities" : "had no capabilities to drop",
                bounded && had_any ? " and the bounding set" : "");
    if (identity->name)
        tn_text_add(done, "; became user %s", identity->name);
    tn_text_add(done, "; new privileges are ruled out");
    return true;
}
