/* plan_read.h: what the files that read a plan share. plan.c holds the frame and the section `stack`;
 * plan_read.c nodes and errors of all of them; plan_plugins.c plugins and their options; plan_interfaces.c and
 * plan_routes.c interfaces; plan_services.c what services listen on; plan_needs.c whether all of it fits
 * together. */
#ifndef TENON_KERNEL_PLAN_READ_H
#define TENON_KERNEL_PLAN_READ_H

#include "plan.h"
#include "tenon/text.h"
#include "yaml_tree.h"

struct tn_plan_reader {
    struct tn_plan *plan;
    const char *plugin_path;
    const struct tn_yaml_node *interfaces; /* the section, before it is read and after */
    struct tn_error *error;
};

/* Writes "file:line:column: …" and returns -EINVAL. */
TN_PRINTF(3, 4)
int tn_plan_fail(struct tn_plan_reader *r, struct tn_position at, const char *fmt, ...);
int tn_plan_fail_memory(struct tn_plan_reader *r);

/* ---- Nodes ---- */

/* Fails with "KEY: found …, expected WHAT". */
int tn_plan_fail_kind(struct tn_plan_reader *r, const struct tn_yaml_node *node, const char *what);
/* The node is of the kind, or nothing at all; otherwise fails with "KEY: found …, expected WHAT". */
int tn_plan_expect(struct tn_plan_reader *r, const struct tn_yaml_node *node, enum tn_yaml_kind kind,
                   const char *what);
/* The text of a scalar; NULL after failing the same way. */
const char *tn_plan_scalar(struct tn_plan_reader *r, const struct tn_yaml_node *node, const char *what);
/* A decimal number from min to max. */
int tn_plan_number(struct tn_plan_reader *r, const struct tn_yaml_node *node, uint32_t min, uint32_t max,
                   uint32_t *out);
/* The mapping's value of that key, or NULL. */
const struct tn_yaml_node *tn_plan_get(const struct tn_yaml_node *mapping, const char *key);
/* Fails unless all keys of the mapping are among the `count` words. `where` says whose keys they are. */
int tn_plan_check_keys(struct tn_plan_reader *r, const struct tn_yaml_node *mapping, const char *where,
                       const char *const *words, size_t count);

/* ---- Addresses (plan_address.c) ---- */

uint8_t tn_plan_address_bits(uint8_t family);
void tn_plan_address_text(struct tn_text *out, uint8_t family, const struct tn_addr *addr);
/* "10.0.7.7" or "fd00::7". */
bool tn_plan_read_address(const char *text, uint8_t *family, struct tn_addr *addr);
/* "10.0.7.7/24". 0, or -EINVAL with what was expected in `why`. */
int tn_plan_read_prefix(const char *text, uint8_t *family, struct tn_addr *addr, uint8_t *prefix_len,
                        struct tn_text *why);
/* NULL if a host may have the address in a subnet of that length, or what it is instead: "a multicast
 * address". */
const char *tn_plan_not_a_host(uint8_t family, const struct tn_addr *addr, uint8_t prefix_len);

/* ---- Plugins ---- */

struct tn_plan_plugin *tn_plan_plugin_find(const struct tn_plan *plan, const char *name);
/* Adds the plugin, or finds the driver that is there already. */
int tn_plan_plugin_add(struct tn_plan_reader *r, const char *name, enum tn_section section,
                       struct tn_position at, struct tn_plan_plugin **out);
/* Reads options of the mapping (which can be nothing): all keys but the `reserved` ones. `owner`: whose they
 * are, whose place is `at`. */
int tn_plan_read_options(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                         const struct tn_manifest *manifest, struct tn_position at,
                         const char *const *reserved, size_t reserved_count, struct tn_value **out);
/* Adds the plugins that options name, where the file does not list them itself. */
int tn_plan_add_named(struct tn_plan_reader *r);
int tn_plan_read_protocols(struct tn_plan_reader *r, const struct tn_yaml_node *node);

/* ---- Sections ---- */

int tn_plan_read_interfaces(struct tn_plan_reader *r, const struct tn_yaml_node *node);
int tn_plan_read_routes(struct tn_plan_reader *r, struct tn_plan_interface *ifc,
                        const struct tn_yaml_node *node);
int tn_plan_read_services(struct tn_plan_reader *r, const struct tn_yaml_node *node);
/* Claims, needs, starting order. */
int tn_plan_check_needs(struct tn_plan_reader *r);

#endif
