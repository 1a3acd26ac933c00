/* The context's one pending error. The first wins: a later one is usually its consequence. */
#include "graph/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

soma_status soma_error_status(const soma_context *ctx) { return !ctx ? SOMA_ERROR_ARGUMENT : soma__ok(ctx) ? SOMA_OK : ctx->status; }
const char *soma_error_message(const soma_context *ctx) { return ctx ? ctx->message : ""; }

soma_status soma_error_take(soma_context *ctx) {
    if (!ctx) return SOMA_ERROR_ARGUMENT;
    soma_status s = ctx->status;
    ctx->status = SOMA_OK;
    return s;
}

bool soma__after_fork(const soma_context *ctx) {
    /* every context was made writable; that it is asked through a const pointer does not change what is true of it */
    soma_context *self = (soma_context *)(uintptr_t)ctx;
    soma_error_raise(self, SOMA_ERROR_STATE, "the process was forked; a context is used in the process that made it, so make another one here");
    return false;
}

void soma__say(const soma_context *ctx, const char *format, ...) {
    if (!ctx->log) return;
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->log_user, line);
}

void soma_say(soma_context *ctx, const char *format, ...) {
    char line[256];
    va_list args;
    if (!ctx || !ctx->log) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->log_user, line);
}

soma_status soma__while_running(soma_context *ctx) {
    return soma_error_raise(ctx, SOMA_ERROR_STATE,
                            "the context is computing: what it calls meanwhile (a custom op's forward function) must not record or evaluate on it");
}

bool soma__two_threads(const soma_context *ctx) {
    soma_context *self = (soma_context *)(uintptr_t)ctx;
    soma_error_raise(self, SOMA_ERROR_STATE,
                     "another thread is inside a call on this context; one thread at a time uses a context, so make one for each thread");
    return false;
}

#ifdef SOMA_DEBUG
uintptr_t soma__this_thread(void) {
    static _Thread_local char here;
    return (uintptr_t)&here;
}
#endif

soma_status soma_error_raise(soma_context *ctx, soma_status status, const char *format, ...) {
    if (!ctx) return status;
    if (ctx->status != SOMA_OK) return ctx->status;
    va_list args;
    size_t call = 0;
    if (ctx->call) call = (size_t)snprintf(ctx->message, sizeof ctx->message, "%s: ", ctx->call); /* the user knows it, and not what it is made of */
    va_start(args, format);
    vsnprintf(ctx->message + call, sizeof ctx->message - call, format, args);
    va_end(args);
    if (call && strncmp(ctx->message + call, ctx->message, call) == 0) memmove(ctx->message, ctx->message + call, strlen(ctx->message + call) + 1);
    ctx->status = status < SOMA_OK && status >= SOMA_ERROR_UNSUPPORTED ? status : SOMA_ERROR_ARGUMENT; /* a number that is none, from outside */
    return ctx->status;
}

void *soma__no_memory(soma_context *ctx) {
    soma_error_raise(ctx, SOMA_ERROR_MEMORY, "out of memory");
    return NULL;
}

bool soma__grow(soma_context *ctx, void **array, size_t *capacity, size_t need, size_t element) {
    if (need <= *capacity) return true;
    size_t want = *capacity ? *capacity * 2 : 64;
    if (want < need) want = need;
    void *bigger = soma__regrow(&ctx->alloc, *array, *capacity * element, want * element);
    if (!bigger) return soma__no_memory(ctx) != NULL;
    *array = bigger;
    *capacity = want;
    return true;
}
