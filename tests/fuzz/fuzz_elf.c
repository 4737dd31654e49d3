/* The look at a shared object's bytes before any of it is mapped: any bytes, a verdict. */
#include "elf_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char build_id[TN_BUILD_ID_TEXT];
    struct tn_error error = {{0}};
    int err = tn_elf_check(bytes, size, "plugin.so", build_id, &error);
    /* A refusal has a reason; a build id is even-length hex. */
    if ((err < 0 && !error.text[0]) || strlen(build_id) % 2 != 0 ||
        strspn(build_id, "0123456789abcdef") != strlen(build_id))
        abort();
    return 0;
}
