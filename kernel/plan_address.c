/* Addresses and prefixes as people write them, of the families that the system's inet_pton() knows. */
#include <arpa/inet.h>
#include <errno.h>

#include "plan_read.h"
#include "prefix.h"
#include "tenon/text.h"

uint8_t tn_plan_address_bits(uint8_t family)
{
    return family == AF_INET ? 32 : 128;
}

void tn_plan_address_text(struct tn_text *out, uint8_t family, const struct tn_addr *addr)
{
    char text[TN_ADDR_TEXT];
    if (inet_ntop(family, addr->bytes, text, sizeof(text)))
        tn_text_add(out, "%s", text);
}

bool tn_plan_read_address(const char *text, uint8_t *family, struct tn_addr *addr)
{
    *addr = (struct tn_addr){{{0}}};
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(*family, text, addr->bytes) == 1;
}

static bool read_length(const char *text, uint8_t max, uint8_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0' || (digits > 1 && text[0] == '0'))
        return false;
    unsigned value = 0;
    for (; *text; text++)
        value = value * 10 + (unsigned)(*text - '0');
    *out = (uint8_t)value;
    return value <= max;
}

int tn_plan_read_prefix(const char *text, uint8_t *family, struct tn_addr *addr, uint8_t *prefix_len,
                        struct tn_text *why)
{
    char address[TN_ADDR_TEXT];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address)) {
        tn_text_add(why, "ADDRESS/LENGTH, such as 10.0.7.7/24");
        return -EINVAL;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (!tn_plan_read_address(address, family, addr)) {
        tn_text_add(why, "ADDRESS/LENGTH, such as 10.0.7.7/24");
        return -EINVAL;
    }
    if (!slash) {
        tn_text_add(why, "a prefix length too, such as %s/%d", address, *family == AF_INET ? 24 : 64);
        return -EINVAL;
    }
    if (!read_length(slash + 1, tn_plan_address_bits(*family), prefix_len)) {
        tn_text_add(why, "a prefix length from 0 to %d after the slash", tn_plan_address_bits(*family));
        return -EINVAL;
    }
    return 0;
}

/* ---- Who may have an address ---- */

static const char *class_of_inet(const uint8_t *a)
{
    static const uint8_t ones[4] = {255, 255, 255, 255};
    if (a[0] == 0)
        return "in 0.0.0.0/8, which means 'this network'";
    if (a[0] == 127)
        return "a loopback address";
    if (a[0] >= 224 && a[0] < 240)
        return "a multicast address";
    if (!memcmp(a, ones, sizeof(ones)))
        return "the broadcast address";
    return a[0] >= 240 ? "a reserved address" : NULL;
}

static const char *class_of_inet6(const struct tn_addr *addr)
{
    static const struct tn_addr loopback = {{{[15] = 1}}}, mapped = {{{[10] = 0xff, [11] = 0xff}}};
    if (tn_addr_is_zero(addr))
        return "the unspecified address";
    if (tn_addr_equal(addr, &loopback))
        return "the loopback address";
    if (tn_prefix_holds(&mapped, 96, addr))
        return "an address of another family";
    return addr->bytes[0] == 0xff ? "a multicast address" : NULL;
}

/* Whether all bits from `from` up to `bits` are like `ones`. */
static bool rest_is(const struct tn_addr *addr, unsigned from, unsigned bits, bool ones)
{
    for (unsigned i = from; i < bits; i++)
        if (((addr->bytes[i / 8] >> (7 - i % 8)) & 1) != ones)
            return false;
    return true;
}

const char *tn_plan_not_a_host(uint8_t family, const struct tn_addr *addr, uint8_t prefix_len)
{
    unsigned bits = tn_plan_address_bits(family);
    const char *what = family == AF_INET ? class_of_inet(addr->bytes) : class_of_inet6(addr);
    if (what || prefix_len + 2u > bits) /* RFC 3021, RFC 6164: a subnet of two has no addresses of its own */
        return what;
    if (rest_is(addr, prefix_len, bits, false))
        return family == AF_INET ? "the network address of its subnet"
                                 : "the anycast address of its subnet's routers"; /* RFC 4291 §2.6.1 */
    if (family == AF_INET && rest_is(addr, prefix_len, bits, true))
        return "the broadcast address of its subnet";
    return NULL;
}
