/* log.c: log lines on standard error: for the eye on a terminal, for tools in a file. */
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

static const char *const names[] = {"error", "warning", "info", "debug"};
static const char *const colours[] = {"\033[31;1m", "\033[33m", "", "\033[2m"};
static enum tn_level limit = TN_LOG_INFO; /* of this program's own lines; the stack has limits of its own */

int log_level(const char *name)
{
    for (int i = 0; i < (int)TN_ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return i;
    return -1;
}

void log_limit(enum tn_level level)
{
    limit = level;
}

static void terminal_line(enum tn_level level, const char *who, const char *text)
{
    static struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!start.tv_sec)
        start = now;
    double since = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
    fprintf(stderr, "\033[2m%10.3f\033[0m %s%s: %s\033[0m\n", since, colours[level], who, text);
}

static void file_line(enum tn_level level, const char *who, const char *text)
{
    struct timespec now;
    struct tm tm;
    char date[32], zone[8];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof(zone), "%z", &tm);
    fprintf(stderr, "%s.%06ld%s %s %s: %s\n", date, now.tv_nsec / 1000, zone, names[level], who, text);
}

void log_line(void *context, enum tn_level level, const char *who, const char *text)
{
    if (isatty(STDERR_FILENO))
        terminal_line(level, who, text);
    else
        file_line(level, who, text);
}

void log_own(enum tn_level level, const char *text)
{
    if (level <= limit)
        log_line(NULL, level, "tenon", text);
}
