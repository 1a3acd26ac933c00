/* The rows of optimizers.def: option structs as groups of settings, and the constructors. */
#include "optim/optim.h"

#include <stddef.h>
#include <string.h>

/* Reads an option struct by its rows. False with the error pending. */
static bool read_group(soma_optim *o, const void *options, size_t size, size_t known, const soma__setting *rows, size_t n, soma__group *g) {
    union {
        double align;
        unsigned char bytes[256];
    } copy;
    if (!soma_options_read(o->ctx, o->kind->name, &copy, known, options, size)) return false;
    for (size_t i = 0; i < n; i++) {
        const soma__setting *r = &rows[i];
        const unsigned char *at = copy.bytes + r->offset;
        soma_optional optional;
        int64_t flag;
        double *v = &g->value[i];
        if (r->type == SOMA__SETTING_NUMBER) memcpy(v, at, sizeof *v);
        else if (r->type == SOMA__SETTING_FLAG) *v = (memcpy(&flag, at, sizeof flag), flag != 0);
        else *v = (memcpy(&optional, at, sizeof optional), optional.set ? optional.value : r->otherwise);
        if (*v >= r->least && *v <= r->most && !(r->open_least && *v == r->least) && !(r->open_most && *v == r->most)) continue;
        if (r->most == __builtin_inf())
            soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: %s is %g; a finite number %s %g is wanted", o->kind->name, r->name, *v,
                             r->open_least ? "above" : "of at least", r->least);
        else
            soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: %s is %g; a number in %s%g, %g%s is wanted", o->kind->name, r->name, *v,
                             r->open_least ? "(" : "[", r->least, r->most, r->open_most ? ")" : "]");
        return false;
    }
    const char *wrong = o->kind->wrong ? o->kind->wrong(g) : NULL;
    if (wrong) soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: %s", o->kind->name, wrong);
    return !wrong;
}

static soma_status add_group(soma_optim *o, const soma__optim_kind *kind, soma_tensor *const *params, size_t count, double lr, const void *options,
                             size_t size, size_t known, const soma__setting *rows, size_t n) {
    soma__group g = {.lr = lr};
    if (!o) return SOMA_ERROR_ARGUMENT;
    if (soma_error_status(o->ctx) != SOMA_OK) return soma_error_status(o->ctx);
    if (o->kind != kind) return soma_error_raise(o->ctx, SOMA_ERROR_ARGUMENT, "%s: a group of %s's settings", o->kind->name, kind->name);
    return read_group(o, options, size, known, rows, n, &g) ? soma__optim_add(o, params, count, &g) : soma_error_status(o->ctx);
}

#define CLOSED false, false
#define BELOW false, true
#define BETWEEN true, true
#define NUMBER(field, doc) {#field, offsetof(opts, field), SOMA__SETTING_NUMBER, 0, 0, __builtin_inf(), BELOW},
#define SETTING(field, otherwise, least, most, ends, doc) {#field, offsetof(opts, field), SOMA__SETTING_OPTIONAL, otherwise, least, most, ends},
#define FLAG(field, doc) {#field, offsetof(opts, field), SOMA__SETTING_FLAG, 0, 0, 1, CLOSED},
#define OPTIMIZER(name, rate, settings, doc) \
    soma_status soma_optim_##name##_group_v(soma_optim *o, soma_tensor *const *params, size_t count, double lr, const soma_##name##_opts *options, \
                                            size_t size) { \
        typedef soma_##name##_opts opts; \
        static const soma__setting rows[] = {settings}; \
        _Static_assert(sizeof rows / sizeof *rows <= SOMA__OPTIM_SETTINGS, "a group has room for fewer settings"); \
        _Static_assert(sizeof(opts) <= 256, "read_group has less room"); \
        return add_group(o, &soma__optim_##name, params, count, lr, options, size, sizeof(opts), rows, sizeof rows / sizeof *rows); \
    } \
    soma_optim *soma_optim_##name##_v(soma_context *ctx, soma_tensor *const *params, size_t count, double lr, const soma_##name##_opts *options, \
                                      size_t size) { \
        soma_optim *o = soma__optim_new(ctx, &soma__optim_##name); \
        return o && soma_optim_##name##_group_v(o, params, count, lr, options, size) == SOMA_OK ? o : NULL; \
    }
#include "soma/optimizers.def"
