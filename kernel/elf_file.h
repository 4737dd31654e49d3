/* elf_file.h: looking at a shared object's bytes before any of it is mapped. */
#ifndef TENON_KERNEL_ELF_FILE_H
#define TENON_KERNEL_ELF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "tenon/stack.h"

#define TN_BUILD_ID_TEXT 65

/* Whether the bytes are a whole ELF shared object for this machine; its build id (hex, "" if none) to
 * `build_id`. 0, or -ENOEXEC with the reason; `path` is for the message. */
int tn_elf_check(const uint8_t *bytes, size_t size, const char *path, char build_id[TN_BUILD_ID_TEXT],
                 struct tn_error *error);

/* The build id of the loaded object that holds the address, "" if it has none. */
void tn_elf_mapped_build_id(const void *address, char build_id[TN_BUILD_ID_TEXT]);

#endif
