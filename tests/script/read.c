/* read.c: reads a script: a step a line. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "script.h"

#define LINE_MAX_LEN 512

struct reader {
    struct script *script;
    struct words words;
    unsigned line;
};

/* ---- Parts of a line ---- */

static bool copy_word(struct words *words, char *out, size_t size)
{
    if (strlen(words->word) >= size)
        return words_fail(words, "'%s' is longer than %zu characters", words->word, size - 1);
    memcpy(out, words->word, strlen(words->word) + 1);
    return true;
}

static bool need_name(struct words *words, const char *what, char *out, size_t size)
{
    return words_need(words, what) && copy_word(words, out, size);
}

/* "+40ms", "+1s..2s", "@3s" in words->word. */
static bool read_when(struct words *words, struct step *step)
{
    char text[WORD_MAX];
    snprintf(text, sizeof(text), "%s", words->word + 1);
    step->when = words->word[0] == '+' ? WHEN_AFTER : WHEN_AT;
    char *until = strstr(text, "..");
    if (until)
        *until = '\0';
    if (!words_time(words, text, &step->from))
        return false;
    step->to = step->from;
    return !until || words_time(words, until + 2, &step->to);
}

/* Index of the talk of this name, which is new if it was not named before. */
static bool find_talk(struct reader *r, const char *name, uint8_t *index)
{
    struct script *s = r->script;
    for (size_t i = 0; i < s->talk_count; i++) {
        if (!strcmp(s->talks[i], name)) {
            *index = (uint8_t)i;
            return true;
        }
    }
    if (s->talk_count == SCRIPT_TALKS_MAX || strlen(name) >= SCRIPT_NAME_MAX)
        return words_fail(&r->words, "'%s': at most %d talks, with names of at most %d characters", name,
                          SCRIPT_TALKS_MAX, SCRIPT_NAME_MAX - 1);
    memcpy(s->talks[s->talk_count], name, strlen(name) + 1);
    *index = (uint8_t)s->talk_count++;
    return true;
}

/* "= 10", "= -EAGAIN", if it is there. */
static bool read_result(struct words *words, struct step *step)
{
    uint32_t n = 0;
    if (!words_accept(words, "="))
        return true;
    if (!words_need(words, "a result"))
        return false;
    step->has_result = true;
    if (words->word[0] == '-' && name_errno(words->word + 1)) {
        step->result = -name_errno(words->word + 1);
        return true;
    }
    if (!words_number(words, words->word, INT32_MAX, &n))
        return false;
    step->result = n;
    return true;
}

static bool read_comparison(struct words *words, struct step *step)
{
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    for (size_t i = 0; i < TN_ARRAY_SIZE(signs); i++) {
        if (words_accept(words, signs[i])) {
            step->comparison = (uint8_t)i;
            return true;
        }
    }
    return words_fail(words, "one of = != < <= > >= should be where '%s' is", words_rest(words));
}

/* "= 10" */
static bool read_compared(struct words *words, struct step *step)
{
    uint32_t n;
    if (!read_comparison(words, step) || !words_need_number(words, "a number", UINT32_MAX, &n))
        return false;
    step->result = n;
    return true;
}

static bool need_port(struct words *words, uint16_t *port)
{
    uint32_t n;
    if (!words_need_number(words, "a port", UINT16_MAX, &n))
        return false;
    *port = (uint16_t)n;
    return true;
}

static bool need_octets(struct words *words, struct step *step)
{
    uint32_t n;
    if (!words_need_number(words, "a number of octets", 1u << 30, &n))
        return false;
    step->number = n;
    return true;
}

/* ---- Verbs ---- */

static bool read_segment(struct words *words, struct step *step)
{
    return segment_parse(words, &step->segment);
}

static bool read_together(struct words *words, struct step *step)
{
    step->together = true;
    return segment_parse(words, &step->segment);
}

static bool read_icmp(struct words *words, struct step *step)
{
    uint32_t type, code, mtu = 0;
    if (!words_need_number(words, "a type", UINT8_MAX, &type) ||
        !words_need_number(words, "a code", UINT8_MAX, &code))
        return false;
    if (words_accept(words, "mtu") && !words_need_number(words, "an MTU", UINT16_MAX, &mtu))
        return false;
    step->icmp_type = (uint8_t)type;
    step->icmp_code = (uint8_t)code;
    step->mtu = (uint16_t)mtu;
    return segment_parse(words, &step->segment);
}

static bool read_nothing(struct words *words, struct step *step)
{
    return true;
}

static bool read_end(struct words *words, struct step *step)
{
    return words_address(words, &step->address) && (words_at_end(words) || need_port(words, &step->port));
}

static bool read_value(struct words *words, struct step *step)
{
    uint32_t n;
    if (!words_need_number(words, "a number", UINT32_MAX, &n))
        return false;
    step->number = n;
    return true;
}

static bool read_listen(struct words *words, struct step *step)
{
    uint32_t backlog = 5;
    if (!need_port(words, &step->port))
        return false;
    if (words_accept(words, "backlog") && !words_need_number(words, "a number", INT32_MAX, &backlog))
        return false;
    step->number = backlog;
    return read_result(words, step);
}

static bool read_address(struct words *words, struct step *step)
{
    return words_address(words, &step->address) && need_port(words, &step->port) && read_result(words, step);
}

/* An address and a port, or the talk's own. */
static bool read_connect(struct words *words, struct step *step)
{
    bool own = words_at_end(words) || *words->at == '=';
    return own ? read_result(words, step) : read_address(words, step);
}

static bool read_result_alone(struct words *words, struct step *step)
{
    return read_result(words, step);
}

/* The flags of a call, and for reads the number of the first octet: "oob more at 12". */
static bool read_transfer(struct words *words, struct step *step)
{
    static const struct {
        const char *name;
        int flag;
    } flags[] = {{"oob", MSG_OOB},
                 {"peek", MSG_PEEK},
                 {"more", MSG_MORE},
                 {"trunc", MSG_TRUNC},
                 {"waitall", MSG_WAITALL}};
    uint32_t at = 0;
    if (!need_octets(words, step))
        return false;
    for (size_t i = 0; i < TN_ARRAY_SIZE(flags); i++)
        if (words_accept(words, flags[i].name))
            step->flags |= flags[i].flag;
    if (words_accept(words, "at") && !words_need_number(words, "the octet's number", INT32_MAX, &at))
        return false;
    step->option = (int)at;
    return read_result(words, step);
}

static bool read_shutdown(struct words *words, struct step *step)
{
    step->option = words_accept(words, "receive") ? SHUT_RD
                   : words_accept(words, "both")  ? SHUT_RDWR
                                                  : SHUT_WR;
    return read_result(words, step);
}

static bool need_option(struct words *words, struct step *step)
{
    return need_name(words, "a socket option", step->name, sizeof(step->name)) &&
           (name_option(step->name, &step->level, &step->option) ||
            words_fail(words, "'%s' is no socket option that is known here", step->name));
}

/* A value of the option: text, a number, "off" for SO_LINGER. */
static bool read_option_value(struct words *words, struct step *step, int64_t *value)
{
    uint32_t n = 0;
    if (!words_need(words, "a value"))
        return false;
    if (name_option_is_text(step->level, step->option))
        return copy_word(words, step->text, sizeof(step->text));
    if (name_option_is_linger(step->level, step->option) && !strcmp(words->word, "off")) {
        *value = -1;
        return true;
    }
    if (name_errno(words->word)) { /* of SO_ERROR */
        *value = name_errno(words->word);
        return true;
    }
    if (!words_number(words, words->word, UINT32_MAX, &n))
        return false;
    *value = (int32_t)n;
    return true;
}

static bool read_set(struct words *words, struct step *step)
{
    return need_option(words, step) && read_option_value(words, step, &step->number) &&
           read_result(words, step);
}

/* "get NAME = VALUE", "get NAME = -EINVAL": the call fails. */
static bool read_get(struct words *words, struct step *step)
{
    if (!need_option(words, step) || !read_comparison(words, step))
        return false;
    if (words_at_end(words) || *words->at != '-' || name_option_is_text(step->level, step->option))
        return read_option_value(words, step, &step->result);
    step->has_result = true;
    if (!words_need(words, "an error"))
        return false;
    step->result = -name_errno(words->word + 1);
    return step->result || words_fail(words, "'%s' is no error", words->word);
}

static bool read_poll(struct words *words, struct step *step)
{
    if (!words_accept(words, "=") || !words_need(words, "events"))
        return words_fail(words, "'poll = in,out' is written so");
    step->number = name_events(words->word);
    return step->number >= 0 || words_fail(words, "events are in, out, pri, err, hup, rdhup and none");
}

static bool read_info(struct words *words, struct step *step)
{
    uint32_t n;
    if (!need_name(words, "a field of TCP_INFO", step->name, sizeof(step->name)))
        return false;
    if (!name_field(step->name))
        return words_fail(words, "'%s' is no field of TCP_INFO", step->name);
    if (!read_comparison(words, step) || !words_need(words, "a value"))
        return false;
    step->result = strcmp(step->name, "state") == 0 ? name_state(words->word) : -1;
    if (step->result >= 0)
        return true;
    if (!words_number(words, words->word, UINT32_MAX, &n))
        return false;
    step->result = n;
    return true;
}

static bool read_counter(struct words *words, struct step *step)
{
    return need_name(words, "a plugin", step->name, sizeof(step->name)) &&
           need_name(words, "a counter", step->text, sizeof(step->text)) && read_compared(words, step);
}

static bool read_swap(struct words *words, struct step *step)
{
    return need_name(words, "a plugin", step->name, sizeof(step->name));
}

static const struct {
    const char *verb;
    enum step_kind kind;
    bool (*read)(struct words *words, struct step *step);
} verbs[] = {
    {">", STEP_SAY, read_segment},
    {">&", STEP_SAY, read_together},
    {"<", STEP_HEAR, read_segment},
    {"icmp", STEP_ICMP, read_icmp},
    {"silent", STEP_SILENT, read_nothing},
    {"anything", STEP_ANYTHING, read_nothing},
    {"peer", STEP_PEER, read_end},
    {"own", STEP_OWN, read_end},
    {"window", STEP_WINDOW, read_value},
    {"stamp", STEP_STAMP, read_value},
    {"listen", STEP_LISTEN, read_listen},
    {"accept", STEP_ACCEPT, read_result_alone},
    {"bind", STEP_BIND, read_address},
    {"connect", STEP_CONNECT, read_connect},
    {"write", STEP_WRITE, read_transfer},
    {"read", STEP_READ, read_transfer},
    {"shutdown", STEP_SHUTDOWN, read_shutdown},
    {"close", STEP_CLOSE, read_result_alone},
    {"set", STEP_SET, read_set},
    {"get", STEP_GET, read_get},
    {"poll", STEP_POLL, read_poll},
    {"info", STEP_INFO, read_info},
    {"counter", STEP_COUNTER, read_counter},
    {"drops", STEP_DROPS, read_counter},
    {"swap", STEP_SWAP, read_swap},
};

/* ---- What the stack is ---- */

static bool read_with(struct reader *r)
{
    struct script *s = r->script;
    struct script_with *with = &s->with[s->with_count];
    if (s->with_count == SCRIPT_WITH_MAX)
        return words_fail(&r->words, "more than %d protocols", SCRIPT_WITH_MAX);
    if (!need_name(&r->words, "a protocol", with->protocol, sizeof(with->protocol)))
        return false;
    const char *options = words_rest(&r->words);
    if (*options != '{' || strlen(options) >= sizeof(with->options))
        return words_fail(&r->words, "options are written as { name: value }, in less than %d characters",
                          SCRIPT_TEXT_MAX);
    memcpy(with->options, options, strlen(options) + 1);
    s->with_count++;
    return true;
}

static bool read_own_address(struct reader *r)
{
    struct script *s = r->script;
    size_t used = strlen(s->addresses), size = sizeof(s->addresses) - used;
    if (!words_need(&r->words, "an address"))
        return false;
    int n = snprintf(s->addresses + used, size, ", %s", r->words.word);
    return n > 0 && (size_t)n < size ? true : words_fail(&r->words, "too many addresses");
}

/* One of the words that say what the stack is; those come first. */
static bool read_setting(struct reader *r, const char *verb, bool *known)
{
    struct script *s = r->script;
    *known = true;
    bool right = true;
    if (!strcmp(verb, "with"))
        right = read_with(r);
    else if (!strcmp(verb, "address"))
        right = read_own_address(r);
    else if (!strcmp(verb, "mtu"))
        right = words_need_number(&r->words, "an MTU", UINT16_MAX, &s->mtu);
    else if (!strcmp(verb, "seed"))
        right = words_need_number(&r->words, "a number", UINT32_MAX, &s->seed);
    else
        *known = false;
    if (right && *known && s->step_count)
        return words_fail(&r->words, "'%s' stands before the first step", verb);
    return right;
}

/* ---- Lines ---- */

static bool read_verb(struct reader *r, const char *verb, struct step *step)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(verbs); i++) {
        if (strcmp(verbs[i].verb, verb) != 0)
            continue;
        step->kind = verbs[i].kind;
        return verbs[i].read(&r->words, step);
    }
    return words_fail(&r->words, "there is no verb '%s'", verb);
}

/* The words before the verb: a time and a talk. The verb is in words->word then. */
static bool read_prefix(struct reader *r, struct step *step)
{
    struct words *words = &r->words;
    if ((words->word[0] == '+' || words->word[0] == '@') &&
        (!read_when(words, step) || !words_need(words, "a verb")))
        return false;
    size_t len = strlen(words->word);
    if (words->word[len - 1] != ':')
        return true;
    words->word[len - 1] = '\0';
    return find_talk(r, words->word, &step->talk) && words_need(words, "a verb");
}

static bool add_step(struct reader *r, const struct step *step)
{
    struct script *s = r->script;
    if (s->step_count == SCRIPT_STEPS_MAX)
        return words_fail(&r->words, "more than %d steps", SCRIPT_STEPS_MAX);
    if (s->step_count % 64 == 0) {
        struct step *steps = realloc(s->steps, (s->step_count + 64) * sizeof(*steps));
        if (!steps)
            return words_fail(&r->words, "out of memory");
        s->steps = steps;
    }
    s->steps[s->step_count++] = *step;
    return true;
}

static bool read_line(struct reader *r, const char *line)
{
    struct step step = {.line = r->line};
    char verb[WORD_MAX];
    bool known;
    r->words.at = line;
    if (!words_next(&r->words))
        return !r->words.why[0];
    if (!read_prefix(r, &step))
        return false;
    snprintf(verb, sizeof(verb), "%s", r->words.word);
    if (!read_setting(r, verb, &known))
        return false;
    if (!known && (!read_verb(r, verb, &step) || !add_step(r, &step)))
        return false;
    return words_at_end(&r->words) || words_fail(&r->words, "what is '%s' here?", r->words.at);
}

int script_read(const char *text, size_t len, const char *name, struct script *script, char *why, size_t size)
{
    static const struct script nothing;
    struct reader r = {.script = script};
    *script = nothing;
    script->name = name;
    script->mtu = SCRIPT_MTU;
    script->seed = 1;
    script->talk_count = 1; /* the one without a name */
    for (size_t at = 0; at < len;) {
        const char *begin = text + at, *newline = memchr(begin, '\n', len - at);
        size_t whole = newline ? (size_t)(newline - begin) : len - at, used = 0;
        char line[LINE_MAX_LEN] = "";
        const char *comment = memchr(begin, '#', whole);
        used = comment ? (size_t)(comment - begin) : whole;
        r.line++;
        if (used >= sizeof(line) || memchr(begin, '\0', used))
            words_fail(&r.words, "the line is too long, or no text");
        else
            memcpy(line, begin, used);
        if (r.words.why[0] || !read_line(&r, line)) {
            snprintf(why, size, "%s:%u: %s", name, r.line, r.words.why);
            script_free(script);
            return -EINVAL;
        }
        at += whole + 1;
    }
    return 0;
}

void script_free(struct script *script)
{
    free(script->steps);
    script->steps = NULL;
    script->step_count = 0;
}
