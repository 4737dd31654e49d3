/* lpm.c: a path-compressed binary trie.
 *
 * A node stands for a prefix. Its children's prefixes begin with its own and differ from each other in the
 * bit after it; bits that nobody branches on are skipped. A node without a value is a fork and has two
 * children. So there are less than twice as many nodes as prefixes, and a path has at most one node a bit. */
#include "lpm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LPM_BITS 128

struct tn_lpm_node {
    struct tn_lpm_node *child[2];
    void *value; /* NULL: a fork */
    struct tn_addr prefix;
    uint8_t len; /* bits */
};

static unsigned bit_at(const struct tn_addr *addr, unsigned bit)
{
    return addr->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static uint64_t half_at(const struct tn_addr *addr, unsigned half)
{
    return (uint64_t)tn_load32(addr->bytes + 8 * half) << 32 | tn_load32(addr->bytes + 8 * half + 4);
}

/* How many leading bits are the same. */
static unsigned common_bits(const struct tn_addr *a, const struct tn_addr *b)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t differ = half_at(a, half) ^ half_at(b, half);
        if (differ)
            return 64 * half + (unsigned)__builtin_clzll(differ);
    }
    return LPM_BITS;
}

static bool node_holds(const struct tn_lpm_node *node, const struct tn_addr *addr)
{
    return common_bits(&node->prefix, addr) >= node->len;
}

static struct tn_lpm_node *node_new(const struct tn_addr *addr, unsigned len, void *value)
{
    struct tn_lpm_node *node = calloc(1, sizeof(*node));
    if (!node)
        return NULL;
    node->value = value;
    node->len = (uint8_t)len;
    for (unsigned i = 0; i < sizeof(addr->bytes); i++) {
        unsigned bits = len > 8 * i ? len - 8 * i : 0;
        node->prefix.bytes[i] = bits >= 8 ? addr->bytes[i] : addr->bytes[i] & (uint8_t)(0xff00u >> bits);
    }
    return node;
}

/* Puts `node` in the place of *link, whose prefix shares `common` bits with the node's and not more. */
static int insert_above(struct tn_lpm_node **link, struct tn_lpm_node *node, unsigned common)
{
    struct tn_lpm_node *top = node;
    if (common < node->len) {
        top = node_new(&node->prefix, common, NULL);
        if (!top)
            return -ENOMEM;
        top->child[bit_at(&node->prefix, common)] = node;
    }
    top->child[bit_at(&(*link)->prefix, common)] = *link;
    *link = top;
    return 0;
}

int tn_lpm_insert(struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len, void *value, void **old)
{
    assert(len <= LPM_BITS && value);
    unsigned common = 0;
    struct tn_lpm_node **link = &lpm->root;
    for (; *link; link = &(*link)->child[bit_at(addr, (*link)->len)]) {
        common = (unsigned)tn_min(common_bits(&(*link)->prefix, addr), tn_min((*link)->len, len));
        if (common < (*link)->len || (*link)->len == len)
            break;
    }
    if (old)
        *old = NULL;
    if (*link && common == len && (*link)->len == len) {
        if (old)
            *old = (*link)->value;
        lpm->count += (*link)->value == NULL;
        (*link)->value = value;
        return 0;
    }
    struct tn_lpm_node *node = node_new(addr, len, value);
    if (!node)
        return -ENOMEM;
    if (!*link) {
        *link = node;
    } else if (insert_above(link, node, common) < 0) {
        free(node);
        return -ENOMEM;
    }
    lpm->count++;
    return 0;
}

/* Where the node of exactly this prefix hangs, or NULL; *parent is where the node above it hangs, NULL at the
 * root. */
static struct tn_lpm_node **node_find(struct tn_lpm_node **link, const struct tn_addr *addr, unsigned len,
                                      struct tn_lpm_node ***parent)
{
    *parent = NULL;
    while (*link && (*link)->len < len && node_holds(*link, addr)) {
        *parent = link;
        link = &(*link)->child[bit_at(addr, (*link)->len)];
    }
    return *link && (*link)->len == len && node_holds(*link, addr) ? link : NULL;
}

/* Takes a node out of the trie that has neither a value nor two children. */
static void node_splice(struct tn_lpm_node **link)
{
    struct tn_lpm_node *node = *link;
    if (node->value || (node->child[0] && node->child[1]))
        return;
    *link = node->child[0] ? node->child[0] : node->child[1];
    free(node);
}

void *tn_lpm_remove(struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len)
{
    struct tn_lpm_node **parent;
    struct tn_lpm_node **link = node_find(&lpm->root, addr, len, &parent);
    if (!link || !(*link)->value)
        return NULL;
    void *value = (*link)->value;
    (*link)->value = NULL;
    node_splice(link);
    if (parent)
        node_splice(parent);
    lpm->count--;
    return value;
}

void *tn_lpm_get(const struct tn_lpm *lpm, const struct tn_addr *addr, uint8_t len)
{
    struct tn_lpm_node *root = lpm->root;
    struct tn_lpm_node **parent;
    struct tn_lpm_node **link = node_find(&root, addr, len, &parent);
    return link ? (*link)->value : NULL;
}

void *tn_lpm_find(const struct tn_lpm *lpm, const struct tn_addr *addr)
{
    void *best = NULL;
    const struct tn_lpm_node *node = lpm->root;
    while (node && node_holds(node, addr)) {
        if (node->value)
            best = node->value;
        if (node->len == LPM_BITS)
            break;
        node = node->child[bit_at(addr, node->len)];
    }
    return best;
}

void tn_lpm_destroy(struct tn_lpm *lpm)
{
    /* Each left child is turned up above its parent until there is none, then the top is freed: no recursion.
     */
    struct tn_lpm_node *node = lpm->root;
    while (node) {
        struct tn_lpm_node *left = node->child[0];
        if (left) {
            node->child[0] = left->child[1];
            left->child[1] = node;
            node = left;
        } else {
            struct tn_lpm_node *right = node->child[1];
            free(node);
            node = right;
        }
    }
    lpm->root = NULL;
    lpm->count = 0;
}
