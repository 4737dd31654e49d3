/* claim.h: keys of the dispatch tables as text: "ethertype:0x0806", "ipproto:1@2", "family:*". */
#ifndef TENON_KERNEL_CLAIM_H
#define TENON_KERNEL_CLAIM_H

#include "plan.h"

/* Reads one token. 0, or -EINVAL with what was expected in `why`. A claim cannot be "any". */
int tn_need_parse(const char *token, struct tn_need *need, struct tn_text *why);
int tn_claim_parse(const char *token, struct tn_claim *claim, struct tn_text *why);
/* The need's condition names an option of the manifest and a value of it: 0, or -EINVAL with what was
 * expected. */
int tn_need_check_condition(const struct tn_manifest *manifest, const struct tn_need *need,
                            struct tn_text *why);
/* Whether the condition holds with these values of the manifest's options. */
bool tn_need_applies(const struct tn_manifest *manifest, const struct tn_need *need,
                     const struct tn_value *values);
/* Whether both claims would take some key. */
bool tn_claims_collide(const struct tn_claim *a, const struct tn_claim *b);
/* What has keys of the table, for people: "a network protocol". */
const char *tn_table_role(uint8_t table);

#endif
