/* Views: the same elements seen with other shapes and strides. No kernel runs unless a dense copy is wanted. */
#include "ops/elementwise.h"
#include "ops/loops.h"

#include <string.h>

/* Copies a strided operand into dense order; the reference kernel of every view of equal element order. */
static int copy_run(const soma__call *c) {
    const soma__operand *in = &c->in[0];
    size_t size = soma_dtype_size((soma_dtype)in->dtype);
    char *out = c->out.data;
    const soma__operand *ops[1] = {in};
    soma__walk w;
    int64_t step = soma__last_stride(in);
    for (soma__walk_start(&w, in); w.row < w.rows; soma__walk_next(&w, ops, 1)) {
        const char *from = (const char *)in->data + w.at[0] * (int64_t)size;
        if (step == 1) memcpy(out, from, (size_t)w.length * size), out += (size_t)w.length * size;
        else
            for (int64_t i = 0; i < w.length; i++, out += size) memcpy(out, from + i * step * (int64_t)size, size);
    }
    return SOMA_OK;
}

static soma_tensor *record_view(int op, soma_tensor *x, const int64_t *shape, int64_t ndim, const int64_t *attr, int n_attr) {
    soma__record r = {op, (soma_dtype)x->dtype, ndim, shape, &x, 1, attr, n_attr};
    return soma__graph_record(x->ctx, &r);
}

/* A copy of a view whose elements are picked from the input: computes the view's strides and copies. */
static int view_run(const soma__call *c) {
    soma__operand view = c->out;
    int64_t offset = 0;
    soma__ops[c->op]->view(&c->in[0], c->attr, c->n_attr, &view, &offset);
    view.data = (char *)c->in[0].data + offset * (int64_t)soma_dtype_size((soma_dtype)view.dtype);
    soma__call copy = *c;
    copy.in = &view;
    return copy_run(&copy);
}

/* reshape */

soma_tensor *soma_reshape(soma_tensor *x, const int64_t *shape, int64_t ndim) {
    if (!soma__check("reshape", &x, 1) || !soma__there(x->ctx, "reshape", shape, ndim)) return NULL;
    int64_t to[SOMA_MAX_DIMS], known = 1, numel, infer = -1;
    char have[128];
    for (int64_t i = 0; i < ndim && ndim <= SOMA_MAX_DIMS; i++) {
        to[i] = shape[i];
        if (shape[i] == -1 && infer < 0) infer = i;
        else if (shape[i] < 0 || __builtin_mul_overflow(known, shape[i], &known)) known = 0, infer = -1;
    }
    if (infer >= 0) to[infer] = known ? x->numel / known : -1; /* beside a size of 0 it could be anything */
    if (ndim > SOMA_MAX_DIMS || ndim < 0 || !soma__shape_ok(to, ndim, &numel) || numel != x->numel) {
        char want[128];
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "reshape: shape %s does not have the %lld elements of %s",
                         soma__shape_print(shape, ndim < 0 || ndim > SOMA_MAX_DIMS ? 0 : ndim, want, sizeof want), (long long)x->numel,
                         soma_shape_text(x, have, sizeof have));
        return NULL;
    }
    if (ndim == x->ndim && memcmp(to, x->shape, (size_t)ndim * sizeof *to) == 0) return x;
    return record_view(SOMA_OP_reshape, x, to, ndim, NULL, 0);
}

/* Strides exist when the input is dense once sizes of 1 are left out. (A finer rule is possible; a copy is always right.) */
static bool reshape_view(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset) {
    (void)attr, (void)n_attr, (void)offset;
    if (!soma__is_dense(in->shape, in->ndim, in->strides, in->numel)) return false;
    soma__dense_strides(out->shape, out->ndim, out->strides);
    return true;
}

static void reshape_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_reshape(v->gy, v->in[0]->shape, v->in[0]->ndim);
}
const soma__op_def soma__op_reshape = {.name = "reshape", .cls = SOMA__CLASS_VIEW, .run = copy_run, .grad = reshape_grad, .view = reshape_view};

/* permute */

soma_tensor *soma_permute(soma_tensor *x, const int64_t *dims, int64_t ndim) {
    if (!soma__check("permute", &x, 1) || !soma__there(x->ctx, "permute", dims, ndim)) return NULL;
    int64_t to[SOMA_MAX_DIMS], shape[SOMA_MAX_DIMS];
    unsigned seen = 0;
    bool fine = ndim == x->ndim;
    for (int64_t i = 0; fine && i < ndim; i++) {
        to[i] = dims[i] < 0 ? dims[i] + ndim : dims[i];
        fine = to[i] >= 0 && to[i] < ndim && !(seen >> to[i] & 1);
        if (fine) seen |= 1u << to[i], shape[i] = x->shape[to[i]];
    }
    if (!fine) {
        char have[128];
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "permute: the %lld dims given are no order of the %d dimensions of %s", (long long)ndim,
                         x->ndim, soma_shape_text(x, have, sizeof have));
        return NULL;
    }
    return record_view(SOMA_OP_permute, x, shape, ndim, to, (int)ndim);
}

static bool permute_view(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset) {
    (void)offset;
    for (int i = 0; i < n_attr; i++) out->strides[i] = in->strides[attr[i]];
    return true;
}

static void permute_grad(const soma__vjp *v) {
    int64_t back[SOMA_MAX_DIMS];
    for (int i = 0; i < v->node->ndim; i++) back[v->attr[i]] = i;
    if (v->wants[0]) v->gx[0] = soma_permute(v->gy, back, v->node->ndim);
}
const soma__op_def soma__op_permute = {.name = "permute", .cls = SOMA__CLASS_VIEW, .run = view_run, .grad = permute_grad, .view = permute_view};

/* slice: attr dim, start, step */

soma_tensor *soma_slice(soma_tensor *x, int64_t dim, int64_t start, int64_t end, int64_t step) {
    if (!soma__check("slice", &x, 1) || !soma__check_dim(x, "slice", &dim)) return NULL;
    if (step < 1 || !x->ndim) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "slice: step %lld of a tensor of %d dimensions; at least 1 and one dimension are wanted",
                         (long long)step, x->ndim);
        return NULL;
    }
    int64_t n = x->shape[dim], shape[SOMA_MAX_DIMS], attr[3];
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (end < 0) end = end + n < 0 ? 0 : end + n;
    if (start > n) start = n;
    if (end > n) end = n;
    memcpy(shape, x->shape, sizeof shape);
    shape[dim] = end > start ? (end - start - 1) / step + 1 : 0;
    attr[0] = dim, attr[1] = start, attr[2] = step;
    return record_view(SOMA_OP_slice, x, shape, x->ndim, attr, 3);
}

static bool slice_view(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset) {
    (void)n_attr;
    memcpy(out->strides, in->strides, sizeof out->strides);
    *offset = out->numel ? attr[1] * in->strides[attr[0]] : 0;
    if (out->shape[attr[0]] > 1) out->strides[attr[0]] *= attr[2]; /* else it is never used, and a huge step would overflow */
    return true;
}

static soma_tensor *slice_backward(soma_tensor *g, const int64_t *shape, int64_t ndim, const int64_t *attr) {
    if (!soma__check("slice_backward", &g, 1)) return NULL;
    soma__record r = {SOMA_OP_slice_backward, (soma_dtype)g->dtype, ndim, shape, &g, 1, attr, 3};
    return soma__graph_record(g->ctx, &r);
}

static void slice_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = slice_backward(v->gy, v->in[0]->shape, v->in[0]->ndim, v->attr);
}
const soma__op_def soma__op_slice = {.name = "slice", .cls = SOMA__CLASS_VIEW, .run = view_run, .grad = slice_grad, .view = slice_view};

static int slice_backward_run(const soma__call *c) {
    size_t size = soma_dtype_size((soma_dtype)c->out.dtype);
    memset(c->out.data, 0, (size_t)c->out.numel * size);
    soma__operand part = c->in[0];
    int64_t offset = 0;
    slice_view(&c->out, c->attr, 3, &part, &offset);
    for (int64_t i = 0; i < part.numel; i++)
        memcpy((char *)c->out.data + (size_t)(offset + soma__offset(&part, i)) * size, (const char *)c->in[0].data + (size_t)i * size, size);
    return SOMA_OK;
}

static void slice_backward_grad(const soma__vjp *v) {
    int64_t last = v->attr[1] + (v->in[0]->shape[v->attr[0]] - 1) * v->attr[2];
    if (v->wants[0]) v->gx[0] = soma_slice(v->gy, v->attr[0], v->attr[1], v->in[0]->shape[v->attr[0]] ? last + 1 : v->attr[1], v->attr[2]);
}
const soma__op_def soma__op_slice_backward = {
    .name = "slice_backward", .cls = SOMA__CLASS_KERNEL, .run = slice_backward_run, .grad = slice_backward_grad};

/* expand */

soma_tensor *soma_expand(soma_tensor *x, const int64_t *shape, int64_t ndim) {
    if (!soma__check("expand", &x, 1) || !soma__there(x->ctx, "expand", shape, ndim)) return NULL;
    int64_t to[SOMA_MAX_DIMS];
    bool fine = ndim >= x->ndim && ndim <= SOMA_MAX_DIMS;
    for (int64_t i = 0; fine && i < ndim; i++) {
        int64_t have = i < ndim - x->ndim ? 1 : x->shape[i - (ndim - x->ndim)];
        to[i] = shape[i] == -1 && i >= ndim - x->ndim ? have : shape[i];
        fine = to[i] >= 0 && (have == 1 || have == to[i]);
    }
    if (!fine) {
        char have[128], want[128];
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "expand: %s does not expand to %s: only sizes of 1 repeat", soma_shape_text(x, have, sizeof have),
                         soma__shape_print(shape, ndim < 0 || ndim > SOMA_MAX_DIMS ? 0 : ndim, want, sizeof want));
        return NULL;
    }
    if (ndim == x->ndim && memcmp(to, x->shape, (size_t)ndim * sizeof *to) == 0) return x;
    return record_view(SOMA_OP_expand, x, to, ndim, NULL, 0);
}

static bool expand_view(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset) {
    (void)attr, (void)n_attr, (void)offset;
    int lead = out->ndim - in->ndim;
    for (int i = 0; i < out->ndim; i++) out->strides[i] = i < lead || (in->shape[i - lead] == 1 && out->shape[i] != 1) ? 0 : in->strides[i - lead];
    return true;
}

static void expand_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = soma_sum_to(v->gy, v->in[0]->shape, v->in[0]->ndim);
}
const soma__op_def soma__op_expand = {.name = "expand", .cls = SOMA__CLASS_VIEW, .run = view_run, .grad = expand_grad, .view = expand_view};

/* detach: the identity, through which no gradient flows; its kernel also makes the planner's dense copies */

static bool detach_view(const soma__operand *in, const int64_t *attr, int n_attr, soma__operand *out, int64_t *offset) {
    (void)attr, (void)n_attr, (void)offset;
    memcpy(out->strides, in->strides, sizeof out->strides);
    return true;
}
const soma__op_def soma__op_detach = {.name = "detach", .cls = SOMA__CLASS_VIEW, .run = copy_run, .view = detach_view};

/* composites */

soma_tensor *soma_transpose(soma_tensor *x, int64_t dim0, int64_t dim1) {
    if (!soma__check("transpose", &x, 1) || !soma__check_dim(x, "transpose", &dim0) || !soma__check_dim(x, "transpose", &dim1)) return NULL;
    int64_t dims[SOMA_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) dims[i] = i == dim0 ? dim1 : i == dim1 ? dim0 : i;
    return soma_permute(x, dims, x->ndim);
}

soma_tensor *soma_squeeze(soma_tensor *x, int64_t dim) {
    if (!soma__check("squeeze", &x, 1) || !soma__check_dim(x, "squeeze", &dim)) return NULL;
    if (!x->ndim || x->shape[dim] != 1) return x;
    int64_t shape[SOMA_MAX_DIMS], n = 0;
    for (int i = 0; i < x->ndim; i++)
        if (i != dim) shape[n++] = x->shape[i];
    return soma_reshape(x, shape, n);
}

soma_tensor *soma_unsqueeze(soma_tensor *x, int64_t dim) {
    if (!soma__check("unsqueeze", &x, 1)) return NULL;
    int64_t d = dim < 0 ? dim + x->ndim + 1 : dim, shape[SOMA_MAX_DIMS + 1];
    if (d < 0 || d > x->ndim) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "unsqueeze: dimension %lld of a tensor of %d dimensions", (long long)dim, x->ndim);
        return NULL;
    }
    if (x->ndim == SOMA_MAX_DIMS) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "unsqueeze: a tensor has %d dimensions at most, and the input has them", SOMA_MAX_DIMS);
        return NULL;
    }
    for (int i = 0, k = 0; i <= x->ndim; i++) shape[i] = i == d ? 1 : x->shape[k++];
    return soma_reshape(x, shape, x->ndim + 1);
}

soma_tensor *soma_flatten(soma_tensor *x, int64_t start_dim, int64_t end_dim) {
    if (!soma__check("flatten", &x, 1) || !soma__check_dim(x, "flatten", &start_dim) || !soma__check_dim(x, "flatten", &end_dim)) return NULL;
    int64_t shape[SOMA_MAX_DIMS] = {0}, n = 0, one = 1;
    if (!x->ndim) return soma_reshape(x, &one, 1);
    if (end_dim < start_dim) {
        soma_error_raise(x->ctx, SOMA_ERROR_ARGUMENT, "flatten: start_dim %lld lies behind end_dim %lld", (long long)start_dim, (long long)end_dim);
        return NULL;
    }
    for (int i = 0; i < x->ndim; i++) {
        if (i > start_dim && i <= end_dim) shape[n - 1] *= x->shape[i];
        else shape[n++] = x->shape[i];
    }
    return soma_reshape(x, shape, n);
}

soma_tensor *soma_select(soma_tensor *x, int64_t dim, int64_t index) {
    if (!soma__check("select", &x, 1) || !soma__check_dim(x, "select", &dim)) return NULL;
    int64_t n = x->ndim ? x->shape[dim] : 0, i = index < 0 ? index + n : index;
    if (i < 0 || i >= n) {
        soma_error_raise(x->ctx, SOMA_ERROR_RANGE, "select: index %lld is outside dimension %lld of size %lld", (long long)index, (long long)dim,
                         (long long)n);
        return NULL;
    }
    return soma_squeeze(soma_slice(x, dim, i, i + 1, 1), dim);
}

soma_tensor *soma_expand_as(soma_tensor *x, soma_tensor *other) {
    soma_tensor *in[2] = {x, other};
    return soma__check("expand_as", in, 2) ? soma_expand(x, other->shape, other->ndim) : NULL;
}
soma_tensor *soma_reshape_as(soma_tensor *x, soma_tensor *other) {
    soma_tensor *in[2] = {x, other};
    return soma__check("reshape_as", in, 2) ? soma_reshape(x, other->shape, other->ndim) : NULL;
}
