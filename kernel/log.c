/* log.c: log lines on their way to the environment's sink.
 *
 * A place in the code is known by a keyed hash of `who` and the format, not by the format's address, which
 * may belong to a plugin that is unloaded later. The table of places is small and fixed: where all entries of
 * a row are taken, the one that has been quiet longest is forgotten. */
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "stack.h"

#define LOG_LINE_MAX 1024
#define LOG_INTERVAL TN_SEC
#define LOG_ROWS     64
#define LOG_ROW_SIZE 4

struct log_place {
    uint64_t key; /* 0: free */
    tn_time last; /* when a line was passed on */
    uint64_t left_out;
};

struct tn_logger {
    enum tn_level level; /* where `levels` says nothing else */
    struct tn_plan_log *levels;
    size_t level_count;
    struct log_place places[LOG_ROWS][LOG_ROW_SIZE];
};

int tn_logger_init(struct tn_stack *stack)
{
    stack->logger = calloc(1, sizeof(*stack->logger));
    if (!stack->logger)
        return -ENOMEM;
    stack->logger->level = TN_LOG_INFO;
    return 0;
}

void tn_logger_destroy(struct tn_stack *stack)
{
    if (stack->logger)
        free(stack->logger->levels);
    free(stack->logger);
    stack->logger = NULL;
}

void tn_logger_configure(struct tn_stack *stack, const struct tn_plan *plan)
{
    struct tn_logger *logger = stack->logger;
    free(logger->levels);
    logger->levels = NULL;
    logger->level_count = 0;
    logger->level = TN_LOG_INFO;
    for (size_t i = 0; i < plan->log_count; i++)
        if (plan->logs[i].who[0] == '\0')
            logger->level = plan->logs[i].level;
    if (stack->env.log_level)
        logger->level = (enum tn_level)(stack->env.log_level - 1);
    if (plan->log_count == 0)
        return;
    logger->levels = calloc(plan->log_count, sizeof(*logger->levels));
    if (!logger->levels)
        return; /* the default level goes for all */
    memcpy(logger->levels, plan->logs, plan->log_count * sizeof(*logger->levels));
    logger->level_count = plan->log_count;
}

static enum tn_level level_for(const struct tn_logger *logger, const char *who)
{
    for (size_t i = 0; i < logger->level_count; i++)
        if (strcmp(logger->levels[i].who, who) == 0)
            return logger->levels[i].level;
    return logger->level;
}

static uint64_t place_key(const struct tn_stack *stack, const char *who, const char *fmt)
{
    uint64_t key =
        tn_siphash(&stack->hash_key, fmt, strlen(fmt)) + 31 * tn_siphash(&stack->hash_key, who, strlen(who));
    return key ? key : 1;
}

/* The entry of this place, made anew if there is none. */
static struct log_place *place_find(struct tn_logger *logger, uint64_t key)
{
    struct log_place *row = logger->places[key % LOG_ROWS];
    struct log_place *oldest = row;
    for (unsigned i = 0; i < LOG_ROW_SIZE; i++) {
        if (row[i].key == key)
            return &row[i];
        if (row[i].last < oldest->last)
            oldest = &row[i];
    }
    *oldest = (struct log_place){.key = 0};
    return oldest;
}

/* Whether a line of this place may pass now; *left_out is how many before it did not. */
static bool may_pass(struct tn_stack *stack, const char *who, const char *fmt, uint64_t *left_out)
{
    tn_time now = stack->env.now(stack->env.context);
    uint64_t key = place_key(stack, who, fmt);
    struct log_place *place = place_find(stack->logger, key);
    *left_out = place->left_out;
    if (place->key == key && now - place->last < LOG_INTERVAL) {
        place->left_out++;
        if (stack->slots[TN_SLOT_CORE])
            tn_count(tn_core_self(stack), TN_CORE_LOG_SUPPRESSED);
        return false;
    }
    *place = (struct log_place){.key = key, .last = now};
    return true;
}

/* What came from outside must not move a terminal's cursor or begin a line of its own. */
static void make_printable(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

void tn_vlog(struct tn_stack *stack, enum tn_level level, const char *who, const char *fmt, va_list ap)
{
    enum tn_level limit = stack->logger ? level_for(stack->logger, who) : TN_LOG_INFO;
    uint64_t left_out = 0;
    if (level > limit || !stack->env.log)
        return;
    if (stack->logger && !may_pass(stack, who, fmt, &left_out))
        return;
    char line[LOG_LINE_MAX];
    /* tn_log() has started it: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(line, sizeof(line), fmt, ap);
    make_printable(line);
    if (left_out > 0) {
        size_t len = strlen(line);
        snprintf(line + len, sizeof(line) - len, " (%llu like it left out)", (unsigned long long)left_out);
    }
    stack->env.log(stack->env.context, level, who, line);
}

void tn_log(struct tn_stack *stack, enum tn_level level, const char *who, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tn_vlog(stack, level, who, fmt, ap);
    va_end(ap);
}

void tn_log_lines(struct tn_stack *stack, enum tn_level level, const char *who, const char *text)
{
    enum tn_level limit = stack->logger ? level_for(stack->logger, who) : TN_LOG_INFO;
    if (level > limit || !stack->env.log)
        return;
    while (*text) {
        char line[LOG_LINE_MAX];
        size_t len = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        make_printable(line);
        if (len > 0)
            stack->env.log(stack->env.context, level, who, line);
        text += len + (text[len] == '\n');
    }
}
