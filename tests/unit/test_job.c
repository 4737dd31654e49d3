/* Jobs: requests that a plugin answers, and the ways in which they end. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_client.h"
#include "stack.h"

/* ---- A plugin with commands, in a slot of a stack ---- */

/* What the plugin saw. */
static struct {
    struct tn_job *job;
    unsigned started, cancelled;
} seen;

static int start_keep(struct tn_self *self, struct tn_job *job)
{
    seen.started++;
    seen.job = job;
    *tn_core_job_data(job) = &seen;
    return 0;
}

static int start_answer(struct tn_self *self, struct tn_job *job)
{
    tn_core_job_put_number(job, "number", tn_core_job_number(job, "n", -1));
    tn_core_job_put_text(job, "text", tn_core_job_text(job, "t") ? tn_core_job_text(job, "t") : "none");
    tn_core_job_end(job, true);
    return 0;
}

static int start_fail(struct tn_self *self, struct tn_job *job)
{
    tn_core_job_fail(job, "no more than %d", 5);
    return -EINVAL;
}

static int start_errno(struct tn_self *self, struct tn_job *job)
{
    return -ENOBUFS;
}

static int start_address(struct tn_self *self, struct tn_job *job)
{
    struct tn_addr addr;
    uint8_t family = 0;
    bool found = tn_core_job_address(job, "to", &family, &addr);
    tn_core_job_put_number(job, "found", found);
    tn_core_job_put_number(job, "family", family);
    tn_core_job_put_number(job, "first", addr.bytes[0]);
    tn_core_job_put_number(job, "last", addr.bytes[15]);
    tn_core_job_end(job, true);
    return 0;
}

static void cancel(struct tn_self *self, struct tn_job *job)
{
    assert_ptr_equal(*tn_core_job_data(job), &seen);
    tn_core_job_end(job, true); /* goes nowhere, and does no harm */
    seen.cancelled++;
}

static const struct tn_command commands[] = {
    {"keep", "", start_keep, cancel},       {"answer", "", start_answer, cancel},
    {"fail", "", start_fail, cancel},       {"errno", "", start_errno, cancel},
    {"address", "", start_address, cancel},
};

static const struct tn_plugin plugin = {TN_PLUGIN_HEADER, .name = "jobber", .commands = commands,
                                        .command_count = TN_ARRAY_SIZE(commands)};
static const struct tn_plugin without_commands = {TN_PLUGIN_HEADER, .name = "jobber"};

#define SLOT 9

struct fixture {
    struct tn_stack *stack;
    struct tn_slot slot;
    struct tn_client *client;
    json_t *answer;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct tn_error error;
    struct tn_env env = *tn_env_real();
    env.plugin_path = TN_TEST_PLUGIN_DIR;
    if (tn_stack_create(&env, "stack: { name: jobs }\n", "test.yaml", &f->stack, &error) < 0)
        fail_msg("%s", error.text);
    strcpy(f->slot.name, "jobber");
    f->slot.started = true;
    f->slot.self.slot = SLOT;
    f->slot.self.plugin = &plugin;
    f->stack->slots[SLOT] = &f->slot;
    f->client = tn_client_create(f->stack, -1);
    memset(&seen, 0, sizeof(seen));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->client)
        tn_client_destroy(f->client);
    f->stack->slots[SLOT] = NULL;
    tn_stack_destroy(f->stack);
    json_decref(f->answer);
    free(f);
    return 0;
}

static void request(struct fixture *f, const char *line)
{
    tn_client_input(f->client, line, strlen(line));
    tn_client_input(f->client, "\n", 1);
}

/* The oldest answer that waits in the client's buffer; NULL if there is none. */
static const json_t *answer(struct fixture *f)
{
    struct tn_client *c = f->client;
    json_decref(f->answer);
    f->answer = NULL;
    if (c->out_at == c->out_len)
        return NULL;
    char *from = c->out + c->out_at;
    char *newline = memchr(from, '\n', c->out_len - c->out_at);
    assert_non_null(newline);
    f->answer = json_loadb(from, (size_t)(newline - from), 0, NULL);
    c->out_at += (size_t)(newline - from) + 1;
    assert_non_null(f->answer);
    return f->answer;
}

static const json_t *call(struct fixture *f, const char *command, const char *args)
{
    char line[256];
    snprintf(line, sizeof(line),
             "{\"cmd\":\"call\",\"plugin\":\"jobber\",\"command\":\"%s\",\"args\":%s,\"id\":1}", command,
             args);
    request(f, line);
    return answer(f);
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

/* ---- Tests ---- */

static void arguments_reach_the_plugin_and_answers_the_asker(void **state)
{
    struct fixture *f = *state;
    const json_t *a = call(f, "answer", "{\"n\":42,\"t\":\"hello\"}");
    assert_int_equal(number(a, "number"), 42);
    assert_string_equal(text(a, "text"), "hello");
    assert_int_equal(number(a, "id"), 1);
    assert_null(json_object_get(a, "more"));
    assert_null(f->client->jobs);
}

static void numbers_may_be_text_and_nonsense_is_the_default(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(number(call(f, "answer", "{\"n\":\"17\"}"), "number"), 17);
    assert_int_equal(number(call(f, "answer", "{\"n\":true}"), "number"), 1);
    assert_int_equal(number(call(f, "answer", "{\"n\":\"17x\"}"), "number"), -1);
    assert_int_equal(number(call(f, "answer", "{\"n\":\"\"}"), "number"), -1);
    assert_int_equal(number(call(f, "answer", "{\"n\":\"99999999999999999999\"}"), "number"), -1);
    assert_int_equal(number(call(f, "answer", "{\"n\":[]}"), "number"), -1);
    assert_int_equal(number(call(f, "answer", "{}"), "number"), -1);
}

static void addresses_of_both_families_are_read(void **state)
{
    struct fixture *f = *state;
    const json_t *a = call(f, "address", "{\"to\":\"10.0.7.1\"}");
    assert_int_equal(number(a, "found"), 1);
    assert_int_equal(number(a, "family"), AF_INET);
    assert_int_equal(number(a, "first"), 10);
    assert_int_equal(number(a, "last"), 0);
    a = call(f, "address", "{\"to\":\"fe80::1\"}");
    assert_int_equal(number(a, "family"), AF_INET6);
    assert_int_equal(number(a, "last"), 1);
    assert_int_equal(number(call(f, "address", "{\"to\":\"10.0.7\"}"), "found"), 0);
    assert_int_equal(number(call(f, "address", "{\"to\":5}"), "found"), 0);
}

static void plugin_need_not_be_named(void **state)
{
    struct fixture *f = *state;
    request(f, "{\"cmd\":\"call\",\"command\":\"answer\"}");
    assert_int_equal(number(answer(f), "number"), -1);
    request(f, "{\"cmd\":\"call\",\"command\":\"resolve\"}"); /* the core's */
    assert_non_null(strstr(text(answer(f), "error"), "resolve needs \"name\""));
    request(f, "{\"cmd\":\"call\",\"command\":\"dance\"}");
    assert_non_null(strstr(text(answer(f), "error"), "no plugin that runs here has a command 'dance'"));
}

static void failed_start_is_told_once(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(text(call(f, "fail", "{}"), "error"), "no more than 5");
    assert_null(answer(f));
    assert_string_equal(text(call(f, "errno", "{}"), "error"), strerror(ENOBUFS));
    assert_null(answer(f));
    assert_null(f->client->jobs);
}

static void unknown_command_and_wrong_arguments_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(text(call(f, "dance", "{}"), "error"), "plugin 'jobber' has no command 'dance'");
    assert_non_null(strstr(text(call(f, "answer", "[]"), "error"), "\"args\", an object"));
    request(f, "{\"cmd\":\"call\",\"plugin\":\"jobbre\",\"command\":\"answer\"}");
    assert_non_null(strstr(text(answer(f), "error"), "did you mean 'jobber'"));
}

static void job_answers_in_many_lines_until_the_last(void **state)
{
    struct fixture *f = *state;
    assert_null(call(f, "keep", "{}"));
    for (int i = 0; i < 3; i++) {
        tn_core_job_put_number(seen.job, "i", i);
        tn_core_job_end(seen.job, false);
        const json_t *a = answer(f);
        assert_int_equal(number(a, "i"), i);
        assert_true(json_is_true(json_object_get(a, "more")));
        assert_int_equal(number(a, "id"), 1);
    }
    tn_core_job_end(seen.job, true);
    assert_null(json_object_get(answer(f), "more"));
    assert_null(f->client->jobs);
    assert_int_equal(seen.cancelled, 0);
}

static void answer_of_any_bytes_is_json(void **state)
{
    struct fixture *f = *state;
    call(f, "keep", "{}");
    tn_core_job_put_text(seen.job, "bytes", "a\xff\x01\"b");
    tn_core_job_end(seen.job, true);
    assert_string_equal(text(answer(f), "bytes"), "a?\x01\"b");
}

static void job_is_cancelled_when_the_asker_goes(void **state)
{
    struct fixture *f = *state;
    call(f, "keep", "{}");
    call(f, "keep", "{}");
    tn_client_destroy(f->client);
    f->client = NULL;
    assert_int_equal(seen.cancelled, 2);
}

static void asker_is_told_when_the_plugin_is_disabled(void **state)
{
    struct fixture *f = *state;
    call(f, "keep", "{}");
    tn_jobs_cancel(f->client, &f->slot, "the plugin was disabled");
    assert_int_equal(seen.cancelled, 1);
    assert_string_equal(text(answer(f), "error"), "jobber: the plugin was disabled");
    assert_null(answer(f));
    assert_null(f->client->jobs);
}

static void job_outlives_a_swap_even_of_its_command(void **state)
{
    struct fixture *f = *state;
    call(f, "keep", "{}");
    f->slot.self.plugin = &without_commands;
    tn_core_job_put_number(seen.job, "i", 1);
    tn_core_job_end(seen.job, false);
    assert_int_equal(number(answer(f), "i"), 1);
    tn_client_destroy(f->client);
    f->client = NULL;
    assert_int_equal(seen.cancelled, 0); /* the new code has no cancel() for it */
}

static void jobs_of_a_client_are_limited(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < TN_CONTROL_JOBS_MAX; i++)
        assert_null(call(f, "keep", "{}"));
    assert_non_null(strstr(text(call(f, "keep", "{}"), "error"), "too many"));
    assert_int_equal(seen.started, TN_CONTROL_JOBS_MAX);
}

/* A client that fetches nothing is broken at the limit; the plugin's job goes on undisturbed until the client is freed. */
static void answers_that_find_no_room_end_the_client_and_not_the_plugin(void **state)
{
    struct fixture *f = *state;
    char large[65536];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    call(f, "keep", "{}");
    for (int i = 0; i < TN_CONTROL_OUTPUT_MAX / 65536 + 2; i++) {
        tn_core_job_put_text(seen.job, "x", large);
        tn_core_job_end(seen.job, false);
    }
    assert_true(f->client->broken);
    assert_int_equal(seen.cancelled, 0);
    tn_client_destroy(f->client);
    f->client = NULL;
    assert_int_equal(seen.cancelled, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(arguments_reach_the_plugin_and_answers_the_asker),
        TEST(numbers_may_be_text_and_nonsense_is_the_default),
        TEST(addresses_of_both_families_are_read),
        TEST(plugin_need_not_be_named),
        TEST(failed_start_is_told_once),
        TEST(unknown_command_and_wrong_arguments_are_refused),
        TEST(job_answers_in_many_lines_until_the_last),
        TEST(answer_of_any_bytes_is_json),
        TEST(job_is_cancelled_when_the_asker_goes),
        TEST(asker_is_told_when_the_plugin_is_disabled),
        TEST(job_outlives_a_swap_even_of_its_command),
        TEST(jobs_of_a_client_are_limited),
        TEST(answers_that_find_no_room_end_the_client_and_not_the_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
