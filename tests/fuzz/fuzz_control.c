/* Whatever a client of the control socket sends: no crash, no hang, and every whole line that is not blank has an answer
 * which is one JSON object. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control_client.h"
#include "stack.h"

static void no_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

static struct tn_stack *make_stack(void)
{
    struct tn_env env = *tn_env_real();
    struct tn_stack *stack;
    struct tn_error error;
    env.log = no_log;
    env.plugin_path = TN_TEST_PLUGIN_DIR;
    if (tn_stack_create(&env, "stack: { name: fuzz }\n", "/nonexistent", &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return stack;
}

/* Takes the answers out of the client's buffer. */
static void check_answers(struct tn_client *client)
{
    if (!client->out)
        return;
    char *at = client->out + client->out_at, *end = client->out + client->out_len;
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        assert(newline);
        json_t *answer = json_loadb(at, (size_t)(newline - at), 0, NULL);
        assert(json_is_object(answer));
        json_decref(answer);
        at = newline + 1;
    }
    client->out_at = client->out_len = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tn_stack *stack;
    if (!stack)
        stack = make_stack();
    struct tn_client *client = tn_client_create(stack, -1);
    assert(client);
    size_t first = size / 2; /* lines come in pieces */
    tn_client_input(client, (const char *)data, first);
    check_answers(client);
    tn_client_input(client, (const char *)data + first, size - first);
    tn_client_input(client, "\n", 1);
    check_answers(client);
    tn_client_destroy(client);
    assert(!stack->trace);
    stack->stop = false;
    return 0;
}
