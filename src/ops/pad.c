/* Padding. Element o of a padded dimension is the input's element at o - before where there is one, and in the border what the mode says: a number,
 * the input mirrored at its first and last element, these elements themselves, or the input once more. attr: the mode, then how many are before each
 * dimension. pad_backward is the adjoint: it adds each element's gradient, in C order from +0, where the element came from. */
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

/* Where element i (counted from the input's first) comes from, of n; -1: the border. */
static int64_t source(int64_t mode, int64_t i, int64_t n) {
    if (i >= 0 && i < n) return i;
    switch (mode) {
    case SOMA_PAD_REFLECT: return i < 0 ? -i : 2 * (n - 1) - i;
    case SOMA_PAD_REPLICATE: return i < 0 ? 0 : n - 1;
    case SOMA_PAD_CIRCULAR: return i < 0 ? i + n : i - n;
    default: return -1;
    }
}

/* The offset in x of the first element of the walk's row; false when the row is border. */
static bool row_source(const soma__call *c, const soma__operand *x, const soma__walk *w, int64_t *at) {
    *at = 0;
    for (int d = 0; d < x->ndim - 1; d++) {
        int64_t i = source(c->attr[0], w->index[d] - c->attr[1 + d], x->shape[d]);
        if (i < 0) return false;
        *at += i * x->strides[d];
    }
    return true;
}

static int pad_run(const soma__call *c) {
    const soma__operand *x = &c->in[0], *ops[1] = {&c->out};
    const char *value = c->in[1].data;
    int64_t last = x->ndim - 1, size = (int64_t)soma_dtype_size((soma_dtype)x->dtype);
    soma__walk w;
    for (soma__walk_start(&w, &c->out); w.row < w.rows; soma__walk_next(&w, ops, 1)) {
        int64_t row;
        bool inside = row_source(c, x, &w, &row);
        for (int64_t o = 0; o < w.length; o++) {
            int64_t i = inside ? source(c->attr[0], o - c->attr[1 + last], x->shape[last]) : -1;
            memcpy((char *)c->out.data + (w.at[0] + o * c->out.strides[last]) * size,
                   i < 0 ? value : (const char *)x->data + (row + i * x->strides[last]) * size, (size_t)size);
        }
    }
    return SOMA_OK;
}

static int pad_backward_run(const soma__call *c) {
    const soma__operand *g = &c->in[0], *x = &c->out, *ops[1] = {g};
    int64_t last = x->ndim - 1;
    soma__walk w;
    soma__clear(x);
    for (soma__walk_start(&w, g); w.row < w.rows; soma__walk_next(&w, ops, 1)) {
        int64_t row;
        if (!row_source(c, x, &w, &row)) continue;
        for (int64_t o = 0; o < w.length; o++) {
            int64_t i = source(c->attr[0], o - c->attr[1 + last], x->shape[last]), from = w.at[0] + o * g->strides[last];
            if (i < 0) continue;
            if (x->dtype == SOMA_F32) ((float *)x->data)[row + i * x->strides[last]] += ((const float *)g->data)[from];
            else ((double *)x->data)[row + i * x->strides[last]] += ((const double *)g->data)[from];
        }
    }
    return SOMA_OK;
}

static soma_tensor *record(int op, soma_tensor *x, soma_tensor *value, const int64_t *shape, const int64_t *attr) {
    soma_tensor *in[2] = {x, value};
    if (!x || (op == SOMA_OP_pad && !value)) return NULL;
    soma__record r = {op, (soma_dtype)x->dtype, x->ndim, shape, in, op == SOMA_OP_pad ? 2 : 1, attr, x->ndim + 1};
    return soma__graph_record(x->ctx, &r);
}
static void pad_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = record(SOMA_OP_pad_backward, v->gy, NULL, v->in[0]->shape, v->attr);
}
static void pad_backward_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = record(SOMA_OP_pad, v->gy, soma__number(v->ctx, 0, (soma_dtype)v->gy->dtype), v->in[0]->shape, v->attr);
}
const soma__op_def soma__op_pad = {.name = "pad", .cls = SOMA__CLASS_STRIDED, .places = true, .run = pad_run, .grad = pad_grad};
const soma__op_def soma__op_pad_backward = {
    .name = "pad_backward", .cls = SOMA__CLASS_STRIDED, .places = true, .run = pad_backward_run, .grad = pad_backward_grad};

/* Do the paddings of a dimension of n elements go with the mode? */
static const char *misfit(int64_t mode, int64_t n, int64_t before, int64_t after) {
    const int64_t most = 1 << 30;
    if (before > most || after > most || n + (before < 0 ? before : 0) + (after < 0 ? after : 0) < 0)
        return "leave nothing of the dimension, or are too large";
    if (mode == SOMA_PAD_CONSTANT) return NULL;
    if (before < 0 || after < 0) return "must be 0 or more in this mode";
    if (mode == SOMA_PAD_REFLECT && (before >= n || after >= n) && (before || after)) return "must be less than the dimension to be mirrored";
    if (mode == SOMA_PAD_CIRCULAR && (before > n || after > n)) return "must not be more than the dimension, which comes once more";
    return n || (!before && !after) ? NULL : "repeat an element of none";
}

soma_tensor *soma_pad(soma_tensor *x, const int64_t *sizes, int64_t count, soma_pad_mode mode, double value) {
    if (!soma__check("pad", &x, 1) || !soma__there(x->ctx, "pad", sizes, count)) return NULL;
    int64_t shape[SOMA_MAX_DIMS], attr[SOMA_MAX_DIMS + 1] = {mode};
    char text[128];
    if (count < 0 || count % 2 || count / 2 > x->ndim || (unsigned)mode > SOMA_PAD_CIRCULAR)
        return soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT,
                                "pad: %lld sizes, mode %d, for an input of shape %s; two sizes for each dimension from the last on are wanted",
                                (long long)count, (int)mode, soma_shape_text(x, text, sizeof text)),
               NULL;
    if (mode != SOMA_PAD_CONSTANT && !soma__is_float(x->dtype))
        return soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "pad: the input is %s; a floating dtype is wanted in this mode",
                                soma_dtype_name((soma_dtype)x->dtype)),
               NULL;
    memcpy(shape, x->shape, sizeof shape);
    bool any = false;
    for (int64_t i = 0; i < count / 2; i++) {
        int64_t d = x->ndim - 1 - i, before = sizes[2 * i], after = sizes[2 * i + 1];
        const char *why = misfit(mode, x->shape[d], before, after);
        if (why)
            return soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "pad: paddings %lld and %lld of dimension %lld of %s %s", (long long)before,
                                    (long long)after, (long long)d, soma_shape_text(x, text, sizeof text), why),
                   NULL;
        attr[1 + d] = before, shape[d] += before + after;
        any = any || before || after;
    }
    if (!any) return x;
    return record(SOMA_OP_pad, x, soma__number(x->ctx, value, (soma_dtype)x->dtype), shape, attr);
}
