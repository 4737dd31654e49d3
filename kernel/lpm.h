/* lpm.h: longest-prefix match over addresses of up to 128 bits: a path-compressed binary trie, O(bits) to
 * look up. */
#ifndef TENON_KERNEL_LPM_H
#define TENON_KERNEL_LPM_H

#include "tenon/types.h"

struct tn_lpm_node;

struct tn_lpm {
    struct tn_lpm_node *root;
    size_t count; /* prefixes */
};

/* The value (not NULL) of prefix addr/len becomes `value`. Returns the value that it had, through *old if not
 * NULL. 0 or -ENOMEM. Host bits of addr are ignored. */
int tn_lpm_insert(struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len, void *value, void **old);
/* Takes the prefix out; its value, or NULL if there was none. */
void *tn_lpm_remove(struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len);
/* Value of exactly this prefix, or NULL. */
void *tn_lpm_get(const struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len);
/* Value of the longest prefix that holds addr, or NULL. */
void *tn_lpm_find(const struct tn_lpm *lpm, const struct tn_addr *addr);
void tn_lpm_destroy(struct tn_lpm *lpm);

#endif
