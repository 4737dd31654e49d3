/* elf_file.c: looking at a shared object's bytes before any of it is mapped. */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <link.h>

#include "tenon/text.h"

TN_PRINTF(2, 3) static int refuse(struct tn_error *error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, ap);
    va_end(ap);
    return -ENOEXEC;
}

/* What this very program is built for. */
static uint16_t own_machine(void)
{
#if defined(__x86_64__)
    return EM_X86_64;
#elif defined(__aarch64__)
    return EM_AARCH64;
#elif defined(__riscv)
    return EM_RISCV;
#elif defined(__powerpc64__)
    return EM_PPC64;
#elif defined(__s390x__)
    return EM_S390;
#elif defined(__arm__)
    return EM_ARM;
#elif defined(__i386__)
    return EM_386;
#else
    return EM_NONE;
#endif
}

static void hex_text(const uint8_t *bytes, size_t len, char *out)
{
    struct tn_text t = tn_text_init(out, TN_BUILD_ID_TEXT);
    for (size_t i = 0; i < len && i < (TN_BUILD_ID_TEXT - 1) / 2; i++)
        tn_text_add(&t, "%02x", bytes[i]);
}

/* Finds the GNU build id among the notes in [notes, notes + size). */
static bool find_build_id(const uint8_t *notes, size_t size, char build_id[TN_BUILD_ID_TEXT])
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, notes, sizeof(note));
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
        size_t desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name > size - sizeof(note) || desc > size - sizeof(note) - name)
            return false;
        const uint8_t *at = notes + sizeof(note);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(at, "GNU", 4) == 0) {
            hex_text(at + name, note.n_descsz, build_id);
            return true;
        }
        notes += sizeof(note) + name + desc;
        size -= sizeof(note) + name + desc;
    }
    return false;
}

static int check_header(const ElfW(Ehdr) * h, const char *path, struct tn_error *error)
{
    const uint16_t one = 1;
    uint8_t own_data = *(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB;
    uint8_t own_class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (h->e_ident[EI_CLASS] != own_class)
        return refuse(error, "%s: is built for another architecture (%s bits, this one has %zu)", path,
                      h->e_ident[EI_CLASS] == ELFCLASS32   ? "32"
                      : h->e_ident[EI_CLASS] == ELFCLASS64 ? "64"
                                                           : "unknown",
                      8 * sizeof(void *));
    if (h->e_ident[EI_DATA] != own_data || h->e_machine != own_machine())
        return refuse(error, "%s: is built for another architecture (ELF machine %u, this one is %u)", path,
                      h->e_machine, own_machine());
    if (h->e_type != ET_DYN)
        return refuse(error, "%s: is an ELF file, but not a shared object (type %u, expected %u)", path,
                      h->e_type, ET_DYN);
    if (h->e_phentsize != sizeof(ElfW(Phdr)) || h->e_phnum == 0)
        return refuse(error, "%s: is damaged: it has no usable program headers", path);
    return 0;
}

/* Segments in order, apart from each other, and where the linker can map them: what it takes on trust. `end` is where the one
 * before ended. */
static bool segment_is_sound(const ElfW(Phdr) * s, uint64_t *end)
{
    const uint64_t page = 4096, most = (uint64_t)1 << 30;
    if (s->p_memsz < s->p_filesz || s->p_memsz > most || s->p_vaddr > most || s->p_align > most ||
        (s->p_align & (s->p_align - 1)) != 0)
        return false;
    if (s->p_type != PT_LOAD)
        return s->p_vaddr + s->p_memsz <= most;
    bool apart = s->p_vaddr >= *end && s->p_align >= page && s->p_vaddr % page == s->p_offset % page;
    *end = s->p_vaddr + s->p_memsz;
    return apart && (s->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X)) == 0 &&
           (s->p_flags & (PF_W | PF_X)) != (PF_W | PF_X);
}

int tn_elf_check(const uint8_t *bytes, size_t size, const char *path, char build_id[TN_BUILD_ID_TEXT],
                 struct tn_error *error)
{
    ElfW(Ehdr) header;
    build_id[0] = '\0';
    if (size < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return refuse(error, "%s: is not an ELF file, so not a plugin", path);
    if (size < sizeof(header))
        return refuse(error, "%s: is cut short: %zu bytes are no whole ELF header", path, size);
    memcpy(&header, bytes, sizeof(header));
    int err = check_header(&header, path, error);
    if (err < 0)
        return err;
    size_t table = (size_t)header.e_phnum * sizeof(ElfW(Phdr));
    if (header.e_phoff > size || table > size - header.e_phoff)
        return refuse(error, "%s: is cut short: its program headers lie beyond its end", path);
    uint64_t end = 0;
    for (size_t i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_NULL)
            continue;
        if (segment.p_type != PT_GNU_STACK && !segment_is_sound(&segment, &end))
            return refuse(error, "%s: is damaged: program header %zu cannot be mapped", path, i);
        if (segment.p_filesz == 0)
            continue;
        if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
            return refuse(error, "%s: is cut short: it has %zu bytes, a segment ends at %llu", path, size,
                          (unsigned long long)segment.p_offset + segment.p_filesz);
        if (segment.p_type == PT_NOTE && !build_id[0])
            (void)find_build_id(bytes + segment.p_offset, segment.p_filesz, build_id);
    }
    return 0;
}

struct mapped_search {
    uintptr_t address;
    char *build_id;
};

static int search_object(struct dl_phdr_info *info, size_t info_size, void *context)
{
    (void)info_size;
    const struct mapped_search *search = context;
    bool holds = false;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && search->address >= start &&
            search->address - start < segment->p_memsz)
            holds = true;
    }
    for (size_t i = 0; holds && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        /* The linker has mapped the notes with the object: this address is its word, not a number from the
         * network. */
        const uint8_t *notes =
            (const uint8_t *)(info->dlpi_addr + segment->p_vaddr); // NOLINT(performance-no-int-to-ptr)
        if (segment->p_type == PT_NOTE && find_build_id(notes, segment->p_memsz, search->build_id))
            return 1;
    }
    return holds;
}

void tn_elf_mapped_build_id(const void *address, char build_id[TN_BUILD_ID_TEXT])
{
    build_id[0] = '\0';
    struct mapped_search search = {.address = (uintptr_t)address, .build_id = build_id};
    (void)dl_iterate_phdr(search_object, &search);
}
