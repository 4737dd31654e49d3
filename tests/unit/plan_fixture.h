/* A directory with manifests, and plans made from it: for the tests of plans.
 *
 * In expected errors, DIR stands for the directory. */
#ifndef TENON_TESTS_PLAN_FIXTURE_H
#define TENON_TESTS_PLAN_FIXTURE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "plan.h"

static char dir[64];

static inline void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void remove_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

/* NAME.ini with `rest` after the required keys, and an empty NAME.so. */
static inline void add_plugin(const char *name, const char *kind, const char *rest)
{
    char file[64], text[2048];
    snprintf(text, sizeof(text),
             "[plugin]\nname = %s\nkind = %s\nabi = 1.0\nversion = 0.1.0\nsummary = A %s\nschema = %s/1\n%s",
             name, kind, kind, name, rest);
    snprintf(file, sizeof(file), "%s.ini", name);
    write_file(file, text);
    snprintf(file, sizeof(file), "%s.so", name);
    write_file(file, "");
}

static inline void remove_plugin(const char *name)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.ini", name);
    remove_file(file);
    snprintf(file, sizeof(file), "%s.so", name);
    remove_file(file);
}

static inline int make_directory(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/tenon-plan-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
    (void)state;
    DIR *listing = opendir(dir);
    for (struct dirent *entry; listing && (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            remove_file(entry->d_name);
    closedir(listing);
    return rmdir(dir);
}

/* A small world: two drivers, a framing, a network protocol with its helpers, two transports, three services.
 */
static inline int make_plugins(void **state)
{
    if (make_directory(state))
        return -1;
    add_plugin("tap", "link",
               "needs = linktype:1\n"
               "[option device]\ntype = string\ndefault =\nhelp = Name of the device\n"
               "[option fd]\ntype = int\ndefault = -1\nrange = -1..1000\nhelp = An inherited descriptor\n");
    add_plugin(
        "host", "link",
        "needs = linktype:1?mode=ethernet linktype:2?mode=ip\n"
        "[option mode]\ntype = choice\nchoices = ethernet, ip\ndefault = ethernet\nhelp = What it carries\n");
    add_plugin("ether", "framing", "provides = linktype:1\n");
    add_plugin("rawip", "framing", "provides = linktype:2\n");
    add_plugin("arp", "protocol", "provides = ethertype:0x0806 resolver:2\nneeds = family:2\n");
    add_plugin("ipv4", "network", "provides = ethertype:0x0800 family:2\n");
    add_plugin("icmp", "protocol", "provides = ipproto:1@2 reporter:2\nneeds = family:2\n");
    add_plugin("ping", "transport", "provides = ipproto:254\nports = no\n");
    add_plugin("udp", "transport",
               "provides = ipproto:17\nneeds = family:*\n"
               "[option receive-buffer]\ntype = size\ndefault = 208k\nrange = 1k..64M\nlive = yes\nhelp = "
               "Its limit\n"
               "[option checksum]\ntype = bool\ndefault = yes\nhelp = Whether there is one\n");
    add_plugin("tcp", "transport", "provides = ipproto:6\nneeds = family:*\n");
    add_plugin("echo", "service", "listens = yes\n");
    add_plugin("discard", "service", "listens = yes\n");
    add_plugin("probe", "service",
               "needs = ipproto:17\n[option target]\ntype = string\nhelp = Whom to ask\n"
               "[option every]\ntype = duration\ndefault = 5s\nrange = 1s..1h\nhelp = How often\n");
    return 0;
}

/* A plan from the text; the caller frees it. */
static inline struct tn_plan *plan_of(const char *yaml)
{
    struct tn_error error = {""};
    struct tn_plan *plan = NULL;
    int err = tn_plan_parse(yaml, strlen(yaml), "s.yaml", dir, &plan, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(err, 0);
    assert_non_null(plan);
    return plan;
}

/* The error, with DIR for the directory. */
static inline const char *without_directory(const char *text)
{
    static char out[1024];
    size_t used = 0;
    while (*text && used + 1 < sizeof(out)) {
        if (strncmp(text, dir, strlen(dir)) == 0) {
            used += (size_t)snprintf(out + used, sizeof(out) - used, "DIR");
            text += strlen(dir);
        } else {
            out[used++] = *text++;
        }
    }
    out[used] = '\0';
    return out;
}

/* The text is refused with exactly this error. */
static inline void refuse_bytes(const char *yaml, size_t len, const char *expected)
{
    struct tn_error error = {""};
    struct tn_plan *plan = NULL;
    int err = tn_plan_parse(yaml, len, "s.yaml", dir, &plan, &error);
    assert_string_equal(without_directory(error.text), expected);
    assert_true(err < 0);
    assert_null(plan);
}

static inline void refuse(const char *yaml, const char *expected)
{
    refuse_bytes(yaml, strlen(yaml), expected);
}

#endif
