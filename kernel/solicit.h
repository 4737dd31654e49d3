/* solicit.h: questions to the link for a neighbour's address, in the words of the family's resolver. */
#ifndef TENON_KERNEL_SOLICIT_H
#define TENON_KERNEL_SOLICIT_H

#include "tenon/plugin.h"

struct tn_stack;

/* Whether anybody can ask for addresses of this family. */
bool tn_solicit_possible(const struct tn_stack *stack, uint8_t family);
/* Asks for `target` on the interface, as tn_resolver_ops.solicit says. Nothing happens if nobody can ask. */
void tn_solicit(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *target,
                const struct tn_addr *source, const uint8_t *lladdr);
/* As tn_resolver_ops.claim and release; true where nobody looks. */
bool tn_solicit_claim(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr,
                      bool brought);
void tn_solicit_release(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr);

#endif
