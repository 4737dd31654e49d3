/* dispatch.c: which plugin gets what: tables from keys (link types, ethertypes, protocol numbers, families)
 * to slots.
 *
 * Entries hold a slot and an index into the plugin's table of input functions, never a function: a swap
 * changes what the slot runs and leaves the tables alone. */
#include <errno.h>

#include "dispatch.h"
#include "stack.h"

static const struct tn_dispatch_entry nobody;

static unsigned ethertype_home(uint32_t key)
{
    return (key * 0x9e3779b1u) >> 26; /* 64 places */
}

static struct tn_dispatch_entry *find_ethertype(struct tn_dispatch *d, uint32_t key, bool create)
{
    for (unsigned i = 0; i < TN_ETHERTYPES_MAX; i++) {
        unsigned at = (ethertype_home(key) + i) % TN_ETHERTYPES_MAX;
        if (!d->ethertype[at].entry.slot) {
            if (!create)
                return NULL;
            d->ethertype[at].key = (uint16_t)key;
            return &d->ethertype[at].entry;
        }
        if (d->ethertype[at].key == key)
            return &d->ethertype[at].entry;
    }
    return NULL;
}

/* The place of a key in its table; for ethertypes NULL if it has none (and `create` found no room). */
static struct tn_dispatch_entry *place(struct tn_dispatch *d, enum tn_table table, uint8_t family,
                                       uint32_t key, bool create)
{
    switch (table) {
    case TN_TABLE_LINKTYPE:
        return key < TN_ARRAY_SIZE(d->linktype) ? &d->linktype[key] : NULL;
    case TN_TABLE_ETHERTYPE:
        return key <= UINT16_MAX ? find_ethertype(d, key, create) : NULL;
    case TN_TABLE_FAMILY:
        return key < TN_FAMILY_MAX ? &d->family[key] : NULL;
    case TN_TABLE_RESOLVER:
        return key < TN_FAMILY_MAX ? &d->resolver[key] : NULL;
    case TN_TABLE_REPORTER:
        return key < TN_FAMILY_MAX ? &d->reporter[key] : NULL;
    case TN_TABLE_IPPROTO:
        return family < TN_FAMILY_MAX && key < 256 ? &d->ipproto[family][key] : NULL;
    case TN_TABLE_COUNT:
        break;
    }
    return NULL;
}

TN_APART static const struct tn_dispatch_entry *find_place(const struct tn_stack *stack, enum tn_table table,
                                                           uint8_t family, uint32_t key)
{
    const struct tn_dispatch_entry *entry =
        place((struct tn_dispatch *)&stack->dispatch, table, family, key, false);
    return entry ? entry : &nobody;
}

const struct tn_dispatch_entry *tn_dispatch_find(const struct tn_stack *stack, enum tn_table table,
                                                 uint8_t family, uint32_t key)
{
    const struct tn_dispatch *d = &stack->dispatch;
    /* Those that every packet passes, without a detour. */
    if (table == TN_TABLE_IPPROTO)
        return tn_likely(family < TN_FAMILY_MAX && key < 256) ? &d->ipproto[family][key] : &nobody;
    if (table == TN_TABLE_LINKTYPE)
        return tn_likely(key < TN_ARRAY_SIZE(d->linktype)) ? &d->linktype[key] : &nobody;
    if (table == TN_TABLE_FAMILY)
        return tn_likely(key < TN_FAMILY_MAX) ? &d->family[key] : &nobody;
    if (table == TN_TABLE_ETHERTYPE && tn_likely(d->ethertype[ethertype_home(key)].key == key))
        return &d->ethertype[ethertype_home(key)].entry;
    return find_place(stack, table, family, key);
}

/* A claim on a protocol number for every family stands in every family's table. */
static bool claim_covers_family(const struct tn_claim *claim, uint8_t family)
{
    return claim->table == TN_TABLE_IPPROTO ? claim->family == 0 || claim->family == family : family == 0;
}

static int check_claim(struct tn_stack *stack, struct tn_slot *slot, const struct tn_claim *claim,
                       uint8_t family, struct tn_text *why)
{
    const struct tn_dispatch_entry *taken = tn_dispatch_find(stack, claim->table, family, claim->key);
    if (!taken->slot || taken->slot == slot)
        return 0;
    tn_text_add(why, "%s and %s both claim ", taken->slot->name, slot->name);
    tn_claim_text(why, claim->table, claim->family, claim->key);
    return -EEXIST;
}

int tn_dispatch_claim(struct tn_stack *stack, struct tn_slot *slot, struct tn_text *why)
{
    const struct tn_plugin *plugin = slot->self.plugin;
    for (size_t i = 0; i < plugin->claim_count; i++)
        for (uint8_t family = 0; family < TN_FAMILY_MAX; family++)
            if (claim_covers_family(&plugin->claims[i], family)) {
                int err = check_claim(stack, slot, &plugin->claims[i], family, why);
                if (err < 0)
                    return err;
            }
    for (size_t i = 0; i < plugin->claim_count; i++)
        for (uint8_t family = 0; family < TN_FAMILY_MAX; family++)
            if (claim_covers_family(&plugin->claims[i], family)) {
                const struct tn_claim *claim = &plugin->claims[i];
                struct tn_dispatch_entry *entry =
                    place(&stack->dispatch, claim->table, family, claim->key, true);
                if (!entry) {
                    tn_text_add(why, "the dispatch table has no room for ");
                    tn_claim_text(why, claim->table, claim->family, claim->key);
                    tn_dispatch_release(stack, slot);
                    return -ENOSPC;
                }
                *entry = (struct tn_dispatch_entry){.slot = slot, .input = claim->input};
            }
    tn_paths_changed(stack);
    return 0;
}

static void release_entries(struct tn_dispatch_entry *entries, size_t count, const struct tn_slot *slot)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].slot == slot)
            entries[i] = nobody;
}

void tn_dispatch_release(struct tn_stack *stack, struct tn_slot *slot)
{
    struct tn_dispatch *d = &stack->dispatch;
    release_entries(d->linktype, TN_ARRAY_SIZE(d->linktype), slot);
    release_entries(d->family, TN_FAMILY_MAX, slot);
    release_entries(d->resolver, TN_FAMILY_MAX, slot);
    release_entries(d->reporter, TN_FAMILY_MAX, slot);
    release_entries(&d->ipproto[0][0], (size_t)TN_FAMILY_MAX * 256, slot);

    /* Open addressing has no holes: enter what stays anew. */
    struct tn_dispatch old = *d;
    memset(d->ethertype, 0, sizeof(d->ethertype));
    for (size_t i = 0; i < TN_ETHERTYPES_MAX; i++)
        if (old.ethertype[i].entry.slot && old.ethertype[i].entry.slot != slot)
            *find_ethertype(d, old.ethertype[i].key, true) = old.ethertype[i].entry;
    tn_paths_changed(stack);
}

bool tn_core_dispatch(struct tn_self *self, enum tn_table table, uint32_t key, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    uint8_t family = table == TN_TABLE_IPPROTO ? packet->family : 0;
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, table, family, key);
    if (!entry->slot)
        return false;
    struct tn_self *to = &entry->slot->self;
    to->plugin->inputs[entry->input](to, packet);
    return true;
}

void tn_core_reject(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info)
{
    const struct tn_dispatch_entry *entry =
        tn_dispatch_find(self->stack, TN_TABLE_REPORTER, 0, packet->family);
    if (entry->slot)
        entry->slot->self.plugin->reporter->report(&entry->slot->self, packet, why, info);
}

void tn_core_net_error(struct tn_self *self, const struct tn_net_error *error)
{
    const struct tn_dispatch_entry *entry =
        tn_dispatch_find(self->stack, TN_TABLE_IPPROTO, error->family, error->protocol);
    if (!entry->slot)
        return;
    struct tn_self *to = &entry->slot->self;
    if (to->plugin->transport && to->plugin->transport->error)
        to->plugin->transport->error(to, error);
}
