/* yaml_tree.h: a YAML text as a tree with positions.
 *
 * The part of YAML that a configuration needs: scalars, sequences and mappings with scalar keys. Refused with
 * a reason: aliases and anchors, tags, directives, more than one document, a key given twice, and whatever
 * exceeds the limits below. */
#ifndef TENON_KERNEL_YAML_TREE_H
#define TENON_KERNEL_YAML_TREE_H

#include "plan.h"

#define TN_YAML_SIZE_MAX  (1024 * 1024) /* bytes of text */
#define TN_YAML_DEPTH_MAX 16            /* sequences and mappings inside one another */
#define TN_YAML_NODES_MAX 262144

enum tn_yaml_kind {
    TN_YAML_NULL, /* nothing, or a plain ~ or null */
    TN_YAML_SCALAR,
    TN_YAML_SEQUENCE,
    TN_YAML_MAPPING,
};

struct tn_yaml_node {
    enum tn_yaml_kind kind;
    struct tn_position at;
    struct tn_yaml_node *next;  /* in the parent's order */
    struct tn_yaml_node *first; /* sequence: items; mapping: the values, each with its key */
    size_t count;               /* of them */
    char *text;                 /* scalar: UTF-8 without a NUL inside */
    char *key;                  /* of a mapping's value */
    struct tn_position key_at;
};

/* The tree of `text`; `name` is the file's name for errors. An empty text is a NULL node. 0, or -EINVAL or
 * -ENOMEM with `error` ("name:line:column: …"). */
int tn_yaml_parse(const char *text, size_t len, const char *name, struct tn_yaml_node **root,
                  struct tn_error *error);
void tn_yaml_free(struct tn_yaml_node *root);

/* Writes "name:line:column: text" and returns -EINVAL. */
int tn_yaml_fail(struct tn_error *error, const char *name, struct tn_position at, const char *text);

/* "a list", "a mapping", "nothing": what a node is, for messages. */
const char *tn_yaml_kind_name(const struct tn_yaml_node *node);

#endif
