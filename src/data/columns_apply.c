/* Columns as they are, and what they make of a cell. */
#include "data/columns.h"

#include "base/fpmode.h"
#include "data/table.h"

#include <math.h>
#include <string.h>

int64_t soma__feature_width(const soma_feature *f) { return (f->type != SOMA_COLUMN_CATEGORY || f->embed ? 1 : f->n_categories) + (f->flag != 0); }

int64_t soma__feature_inputs(const soma_feature *f, double cell, float *out) {
    bool missing = isnan(cell);
    int64_t n = 1;
    double v = missing ? f->fill : cell;
    if (f->type != SOMA_COLUMN_CATEGORY) {
        *out = (float)((v - f->center) * f->factor);
    } else if (f->embed) {
        *out = (float)(v < 0 ? (double)f->n_categories : v);
    } else {
        n = f->n_categories;
        memset(out, 0, (size_t)n * sizeof *out);
        if (v >= 0) out[(int64_t)v] = 1;
    }
    if (f->flag) out[n++] = missing;
    return n;
}

float soma__target_value(const soma_feature *target, double cell) { return (float)((cell - target->center) * target->factor); }

static bool copy_feature(soma_columns *c, const soma_feature *from, soma_feature *to) {
    *to = *from;
    bool fits = from->name && from->n_categories >= 0 && from->n_categories <= SOMA__WORDS_MOST && from->embed >= 0 && from->embed <= 1 << 16 &&
                (!from->n_categories || from->categories) && isfinite(from->center) && isfinite(from->factor) && isfinite(from->fill) &&
                (from->type == SOMA_COLUMN_CATEGORY ? from->fill >= -1 && from->fill < (double)from->n_categories + (from->n_categories == 0) &&
                                                          from->fill == (double)(int64_t)from->fill
                                                    : from->type == SOMA_COLUMN_NUMBER || from->type == SOMA_COLUMN_DATE);
    if (!fits) return soma_error_raise(c->ctx, SOMA_ERROR_ARGUMENT, "columns_new: feature '%s' makes no sense", from->name ? from->name : ""), false;
    const char **list = soma_scope_memory_in(c->scope, (size_t)(from->n_categories + 1) * sizeof *list);
    if (!list || !(to->name = soma__copy_text(c->scope, from->name, strlen(from->name)))) return false;
    for (int64_t i = 0; i < from->n_categories; i++) {
        if (!from->categories[i]) return soma_error_raise(c->ctx, SOMA_ERROR_ARGUMENT, "columns_new: a category is NULL"), false;
        if (!(list[i] = soma__copy_text(c->scope, from->categories[i], strlen(from->categories[i])))) return false;
    }
    to->categories = list;
    return true;
}

soma_columns *soma_columns_new(soma_context *ctx, const soma_columns_info *info) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    bool fits = info && info->features && info->places && info->n_features > 0 && info->n_features <= SOMA__COLUMNS_MOST && info->width > 0 &&
                info->width <= SOMA__COLUMNS_MOST && (unsigned)info->task <= SOMA_TASK_VALUE && (unsigned)info->missing <= SOMA_MISSING_FLAG &&
                (info->decimal == '.' || info->decimal == ',') &&
                (!info->task ||
                 (info->target_place >= 0 && info->target_place < info->width && (info->task != SOMA_TASK_CLASSES || info->target.n_categories > 0)));
    for (int64_t i = 0; fits && i < info->n_features; i++) fits = info->places[i] >= 0 && info->places[i] < info->width;
    if (!fits) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "columns_new: features, their places and a target of a table are wanted"), NULL;
    soma_columns *c = soma_scope_memory(ctx, sizeof *c);
    size_t n = (size_t)info->n_features;
    soma_feature *features = c ? soma_scope_memory(ctx, n * sizeof *features) : NULL;
    int64_t *places = features ? soma_scope_memory(ctx, n * sizeof *places) : NULL;
    if (!places) return NULL;
    c->ctx = ctx;
    c->scope = soma_scope_innermost(ctx);
    c->info = *info;
    for (size_t i = 0; i < n; i++) {
        if (!copy_feature(c, &info->features[i], &features[i])) return NULL;
        c->inputs += soma__feature_width(&features[i]);
    }
    memcpy(places, info->places, n * sizeof *places);
    c->info.features = features, c->info.places = places;
    if (!info->task) memset(&c->info.target, 0, sizeof c->info.target);
    else if (!copy_feature(c, &info->target, &c->info.target)) return NULL;
    if (!c->inputs) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "columns_new: no column is left as an input"), NULL;
    return c;
}

const soma_columns_info *soma_columns_about(const soma_columns *c) { return c ? &c->info : NULL; }
int64_t soma_columns_inputs(const soma_columns *c) { return c ? c->inputs : 0; }
int64_t soma_columns_width(const soma_columns *c) {
    int64_t n = c ? c->inputs : 0;
    for (int64_t i = 0; c && i < c->info.n_features; i++)
        if (c->info.features[i].type == SOMA_COLUMN_CATEGORY && c->info.features[i].embed) n += c->info.features[i].embed - 1;
    return n;
}
double soma_columns_value(const soma_columns *c, double y) {
    return c && c->info.task == SOMA_TASK_VALUE ? soma__nearest('+', soma__nearest('/', y, c->info.target.factor), c->info.target.center) : y;
}
