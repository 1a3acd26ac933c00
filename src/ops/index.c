/* Joining, and picking by index. Additions at an index go in ascending order of the source. */
#include "ops/elementwise.h"
#include "ops/loops.h"
#include "ops/reduce.h"

#include <string.h>

/* Sizes around a dimension of a dense operand: outer x size x inner. */
static void around(const soma__operand *x, int64_t dim, int64_t *outer, int64_t *inner) {
    *outer = *inner = 1;
    for (int d = 0; d < x->ndim; d++) {
        if (d < dim) *outer *= x->shape[d];
        if (d > dim) *inner *= x->shape[d];
    }
}

/* cat: attr dim */

#define CAT_AT_ONCE 32

soma_tensor *soma_cat(soma_tensor *const *xs, size_t count, int64_t dim) {
    if (!xs || !count || !soma__check("cat", xs, (int)(count < CAT_AT_ONCE ? count : CAT_AT_ONCE))) return NULL;
    soma_context *ctx = xs[0]->ctx;
    soma_tensor *in[CAT_AT_ONCE];
    int64_t shape[SOMA_MAX_DIMS], d = dim;
    if (!soma__check_dim(xs[0], "cat", &d)) return NULL;
    if (!xs[0]->ndim) return soma_error_raise(ctx, SOMA_ERROR_SHAPE, "cat: the first tensor has no dimensions to join along; stack makes one"), NULL;
    if (count > CAT_AT_ONCE) { /* joined in steps */
        soma__composite_begin(ctx, "cat");
        in[0] = soma_cat(xs, CAT_AT_ONCE, dim);
        for (size_t i = CAT_AT_ONCE; i < count && in[0]; i += CAT_AT_ONCE - 1) {
            size_t n = count - i < CAT_AT_ONCE - 1 ? count - i : CAT_AT_ONCE - 1;
            memcpy(in + 1, xs + i, n * sizeof *in);
            in[0] = soma_cat(in, n + 1, dim);
        }
        return soma_interior_end(ctx, in[0]);
    }
    soma_tensor widest = *xs[0]; /* in dtype */
    memcpy(shape, xs[0]->shape, sizeof shape);
    for (size_t i = 1; i < count; i++) {
        bool fits = xs[i]->ndim == xs[0]->ndim;
        for (int k = 0; fits && k < xs[0]->ndim; k++) fits = k == d || xs[i]->shape[k] == xs[0]->shape[k];
        if (!fits) {
            char a[128], b[128];
            soma_error_raise(ctx, SOMA_ERROR_SHAPE, "cat: tensor %zu has shape %s; all but dimension %lld must be as in %s", i,
                             soma_shape_text(xs[i], a, sizeof a), (long long)d, soma_shape_text(xs[0], b, sizeof b));
            return NULL;
        }
        widest.dtype = (uint8_t)soma__result_type(&widest, xs[i]);
        if (__builtin_add_overflow(shape[d], xs[i]->shape[d], &shape[d])) shape[d] = INT64_MAX; /* too large: recording says so */
    }
    soma_dtype dtype = (soma_dtype)widest.dtype;
    for (size_t i = 0; i < count; i++)
        if (!(in[i] = soma__as(xs[i], dtype))) return NULL;
    soma__record r = {SOMA_OP_cat, dtype, xs[0]->ndim, shape, in, (int)count, &d, 1};
    return soma__graph_record(ctx, &r);
}

static int cat_run(const soma__call *c) {
    int64_t outer, inner, at = 0;
    around(&c->out, c->attr[0], &outer, &inner);
    size_t size = soma_dtype_size((soma_dtype)c->out.dtype), row = (size_t)(c->out.shape[c->attr[0]] * inner) * size;
    for (int k = 0; k < c->n_in; k++) {
        size_t bytes = (size_t)(c->in[k].shape[c->attr[0]] * inner) * size;
        for (int64_t o = 0; o < outer && bytes; o++)
            memcpy((char *)c->out.data + (size_t)o * row + (size_t)(at * inner) * size, (const char *)c->in[k].data + (size_t)o * bytes, bytes);
        at += c->in[k].shape[c->attr[0]];
    }
    return SOMA_OK;
}

static void cat_grad(const soma__vjp *v) {
    int64_t at = 0;
    for (int k = 0; k < v->n_in; k++) {
        int64_t n = v->in[k]->shape[v->attr[0]];
        if (v->wants[k]) v->gx[k] = soma_slice(v->gy, v->attr[0], at, at + n, 1);
        at += n;
    }
}
const soma__op_def soma__op_cat = {.name = "cat", .cls = SOMA__CLASS_KERNEL, .run = cat_run, .grad = cat_grad};

soma_tensor *soma_stack(soma_tensor *const *xs, size_t count, int64_t dim) {
    if (!xs || !count || !soma__check("stack", xs, (int)(count < CAT_AT_ONCE ? count : CAT_AT_ONCE))) return NULL;
    soma_context *ctx = xs[0]->ctx;
    int64_t n_dims = xs[0]->ndim + 1;
    if (dim < -n_dims || dim >= n_dims) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "stack: dimension %lld is outside [%lld, %lld)", (long long)dim, (long long)-n_dims,
                         (long long)n_dims);
        return NULL;
    }
    if (dim < 0) dim += n_dims;
    soma__composite_begin(ctx, "stack");
    soma_tensor *y = NULL, *part[CAT_AT_ONCE];
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        if (y) part[n++] = y;
        while (n < CAT_AT_ONCE && i < count) part[n++] = soma_unsqueeze(xs[i++], dim);
        y = soma_cat(part, n, dim);
        if (!y) break;
    }
    return soma_interior_end(ctx, y);
}

/* index checks */

static bool index_ok(soma_tensor *x, const char *op, const soma_tensor *index) {
    if (index->dtype == SOMA_I64) return true;
    soma_error_raise(x->ctx, SOMA_ERROR_DTYPE, "%s: the index is %s, int64 is wanted", op, soma_dtype_name((soma_dtype)index->dtype));
    return false;
}

static int out_of_range(const soma__call *c, int64_t index, int64_t n) {
    return soma_error_raise(c->env->ctx, SOMA_ERROR_RANGE, "%s: index %lld is outside [0, %lld)", soma__ops[c->op]->name, (long long)index,
                            (long long)n);
}

/* gather and scatter_add: attr dim; index has x's rank, and sizes that fit save along dim */

static bool gather_fits(soma_tensor *x, const char *op, int64_t *dim, soma_tensor *index) {
    if (!soma__check_dim(x, op, dim) || !index_ok(x, op, index)) return false;
    bool fits = index->ndim == x->ndim && x->ndim;
    for (int d = 0; fits && d < x->ndim; d++) fits = d == *dim || index->shape[d] <= x->shape[d];
    if (fits) return true;
    char a[128], b[128];
    soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "%s: index %s does not fit input %s: same rank, and no size but dimension %lld larger", op,
                     soma_shape_text(index, a, sizeof a), soma_shape_text(x, b, sizeof b), (long long)*dim);
    return false;
}

soma_tensor *soma_gather(soma_tensor *x, int64_t dim, soma_tensor *index) {
    soma_tensor *in[2] = {x, index};
    if (!soma__check("gather", in, 2)) return NULL;
    if (!x->ndim && !index->ndim) { /* as if both had one element in one dimension */
        soma__composite_begin(x->ctx, "gather");
        return soma_interior_end(x->ctx, soma_squeeze(soma_gather(soma_unsqueeze(x, 0), dim, soma_unsqueeze(index, 0)), 0));
    }
    if (!gather_fits(x, "gather", &dim, index)) return NULL;
    soma__record r = {SOMA_OP_gather, (soma_dtype)x->dtype, index->ndim, index->shape, in, 2, &dim, 1};
    return soma__graph_record(x->ctx, &r);
}

/* Where element i of an index of the given shape points to in x. */
static int64_t target(const soma__operand *x, const soma__operand *index, int64_t dim, int64_t i, int64_t chosen) {
    int64_t at = 0;
    for (int d = index->ndim; d-- > 0;) {
        at += (d == dim ? chosen : i % index->shape[d]) * x->strides[d];
        i /= index->shape[d];
    }
    return at;
}

static int gather_run(const soma__call *c) {
    const soma__operand *x = &c->in[0], *index = &c->in[1];
    size_t size = soma_dtype_size((soma_dtype)x->dtype);
    for (int64_t i = 0; i < index->numel; i++) {
        int64_t k = ((const int64_t *)index->data)[i];
        if (k < 0 || k >= x->shape[c->attr[0]]) return out_of_range(c, k, x->shape[c->attr[0]]);
        memcpy((char *)c->out.data + (size_t)i * size, (const char *)x->data + (size_t)target(x, index, c->attr[0], i, k) * size, size);
    }
    return SOMA_OK;
}

static void gather_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0];
    if (v->wants[0]) v->gx[0] = soma_scatter_add(soma_zeros(v->ctx, (soma_dtype)x->dtype, x->shape, x->ndim), v->attr[0], v->in[1], v->gy);
}
const soma__op_def soma__op_gather = {.name = "gather", .cls = SOMA__CLASS_KERNEL, .run = gather_run, .fails = true, .grad = gather_grad};

soma_tensor *soma_scatter_add(soma_tensor *x, int64_t dim, soma_tensor *index, soma_tensor *src) {
    soma_tensor *in[3] = {x, index, src};
    if (!soma__check("scatter_add", in, 3) || !gather_fits(x, "scatter_add", &dim, index)) return NULL;
    if (src->dtype != x->dtype || !soma__same_shape(src, index)) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "scatter_add: src must have the index's shape and the input's dtype");
        return NULL;
    }
    soma__record r = {SOMA_OP_scatter_add, (soma_dtype)x->dtype, x->ndim, x->shape, in, 3, &dim, 1};
    return soma__graph_record(x->ctx, &r);
}

static void add_at(const soma__operand *out, int64_t at, const soma__operand *src, int64_t i) {
    switch (out->dtype) {
    case SOMA_F32: ((float *)out->data)[at] += ((const float *)src->data)[i]; break;
    case SOMA_F64: ((double *)out->data)[at] += ((const double *)src->data)[i]; break;
    case SOMA_I64: ((uint64_t *)out->data)[at] += ((const uint64_t *)src->data)[i]; break;
    case SOMA_I32: ((uint32_t *)out->data)[at] += ((const uint32_t *)src->data)[i]; break;
    case SOMA_U8: ((uint8_t *)out->data)[at] = (uint8_t)(((uint8_t *)out->data)[at] + ((const uint8_t *)src->data)[i]); break;
    default: ((uint8_t *)out->data)[at] |= ((const uint8_t *)src->data)[i];
    }
}

static int scatter_add_run(const soma__call *c) {
    const soma__operand *index = &c->in[1];
    memcpy(c->out.data, c->in[0].data, (size_t)c->out.numel * soma_dtype_size((soma_dtype)c->out.dtype));
    for (int64_t i = 0; i < index->numel; i++) {
        int64_t k = ((const int64_t *)index->data)[i];
        if (k < 0 || k >= c->out.shape[c->attr[0]]) return out_of_range(c, k, c->out.shape[c->attr[0]]);
        add_at(&c->out, target(&c->out, index, c->attr[0], i, k), &c->in[2], i);
    }
    return SOMA_OK;
}

static void scatter_add_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = v->gy;
    if (v->wants[2]) v->gx[2] = soma_gather(v->gy, v->attr[0], v->in[1]);
}
const soma__op_def soma__op_scatter_add = {
    .name = "scatter_add", .cls = SOMA__CLASS_KERNEL, .run = scatter_add_run, .fails = true, .grad = scatter_add_grad};

/* index_select and index_add: attr dim; a 1-d index */

soma_tensor *soma_index_select(soma_tensor *x, int64_t dim, soma_tensor *index) {
    soma_tensor *in[2] = {x, index};
    if (!soma__check("index_select", in, 2) || !soma__check_dim(x, "index_select", &dim) || !index_ok(x, "index_select", index)) return NULL;
    if (index->ndim != 1 || !x->ndim) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE, "index_select: the index has %d dimensions and the input %d; 1, and at least 1, are wanted",
                         index->ndim, x->ndim);
        return NULL;
    }
    int64_t shape[SOMA_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[dim] = index->shape[0];
    soma__record r = {SOMA_OP_index_select, (soma_dtype)x->dtype, x->ndim, shape, in, 2, &dim, 1};
    return soma__graph_record(x->ctx, &r);
}

static int index_select_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    int64_t outer, inner, dim = c->attr[0], n = x->shape[dim], m = c->out.shape[dim];
    around(x, dim, &outer, &inner);
    size_t bytes = (size_t)inner * soma_dtype_size((soma_dtype)x->dtype);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < m; i++) {
            int64_t k = ((const int64_t *)c->in[1].data)[i];
            if (k < 0 || k >= n) return out_of_range(c, k, n);
            memcpy((char *)c->out.data + (size_t)(o * m + i) * bytes, (const char *)x->data + (size_t)(o * n + k) * bytes, bytes);
        }
    return SOMA_OK;
}

static void index_select_grad(const soma__vjp *v) {
    soma_tensor *x = v->in[0];
    if (v->wants[0]) v->gx[0] = soma_index_add(soma_zeros(v->ctx, (soma_dtype)x->dtype, x->shape, x->ndim), v->attr[0], v->in[1], v->gy);
}
const soma__op_def soma__op_index_select = {
    .name = "index_select", .cls = SOMA__CLASS_KERNEL, .run = index_select_run, .fails = true, .grad = index_select_grad};

soma_tensor *soma_index_add(soma_tensor *x, int64_t dim, soma_tensor *index, soma_tensor *src) {
    soma_tensor *in[3] = {x, index, src};
    if (!soma__check("index_add", in, 3) || !soma__check_dim(x, "index_add", &dim) || !index_ok(x, "index_add", index)) return NULL;
    bool fits = index->ndim == 1 && x->ndim && src->ndim == x->ndim && src->dtype == x->dtype;
    for (int d = 0; fits && d < x->ndim; d++) fits = src->shape[d] == (d == dim ? index->shape[0] : x->shape[d]);
    if (!fits) {
        soma_error_raise(x->ctx, SOMA_ERROR_SHAPE,
                         "index_add: src must be as the input, save that dimension %lld has as many entries as the 1-d index", (long long)dim);
        return NULL;
    }
    soma__record r = {SOMA_OP_index_add, (soma_dtype)x->dtype, x->ndim, x->shape, in, 3, &dim, 1};
    return soma__graph_record(x->ctx, &r);
}

static int index_add_run(const soma__call *c) {
    int64_t outer, inner, dim = c->attr[0], n = c->out.shape[dim], m = c->in[2].shape[dim];
    around(&c->out, dim, &outer, &inner);
    memcpy(c->out.data, c->in[0].data, (size_t)c->out.numel * soma_dtype_size((soma_dtype)c->out.dtype));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < m; i++) {
            int64_t k = ((const int64_t *)c->in[1].data)[i];
            if (k < 0 || k >= n) return out_of_range(c, k, n);
            for (int64_t j = 0; j < inner; j++) add_at(&c->out, (o * n + k) * inner + j, &c->in[2], (o * m + i) * inner + j);
        }
    return SOMA_OK;
}

static void index_add_grad(const soma__vjp *v) {
    if (v->wants[0]) v->gx[0] = v->gy;
    if (v->wants[2]) v->gx[2] = soma_index_select(v->gy, v->attr[0], v->in[1]);
}
const soma__op_def soma__op_index_add = {.name = "index_add", .cls = SOMA__CLASS_KERNEL, .run = index_add_run, .fails = true, .grad = index_add_grad};

/* one_hot */

soma_tensor *soma_one_hot(soma_tensor *index, int64_t classes) {
    if (!soma__check("one_hot", &index, 1) || !index_ok(index, "one_hot", index)) return NULL;
    if (classes < 1 || index->ndim == SOMA_MAX_DIMS) {
        soma_error_raise(index->ctx, SOMA_ERROR_ARGUMENT, "one_hot: %lld classes for an index of %d dimensions", (long long)classes, index->ndim);
        return NULL;
    }
    int64_t shape[SOMA_MAX_DIMS];
    memcpy(shape, index->shape, sizeof shape);
    shape[index->ndim] = classes;
    soma__record r = {SOMA_OP_one_hot, SOMA_I64, index->ndim + 1, shape, &index, 1, NULL, 0};
    return soma__graph_record(index->ctx, &r);
}

static int one_hot_run(const soma__call *c) {
    int64_t classes = c->out.shape[c->out.ndim - 1];
    memset(c->out.data, 0, (size_t)c->out.numel * sizeof(int64_t));
    for (int64_t i = 0; i < c->in[0].numel; i++) {
        int64_t k = ((const int64_t *)c->in[0].data)[i];
        if (k < 0 || k >= classes) return out_of_range(c, k, classes);
        ((int64_t *)c->out.data)[i * classes + k] = 1;
    }
    return SOMA_OK;
}
const soma__op_def soma__op_one_hot = {.name = "one_hot", .cls = SOMA__CLASS_KERNEL, .run = one_hot_run, .fails = true};

/* topk: attr dim, k, largest. Insertion into the k best so far; equal ones keep their order. */

soma_tensor *soma_topk_indices(soma_tensor *x, int64_t k, int64_t dim, bool largest) {
    if (!soma__check("topk", &x, 1) || !soma__check_dim(x, "topk", &dim)) return NULL;
    if (x->ndim ? k < 0 || k > x->shape[dim] : k != 1) {
        soma_error_raise(x->ctx, SOMA_ERROR_RANGE, "topk: k = %lld of %lld elements", (long long)k, x->ndim ? (long long)x->shape[dim] : 1ll);
        return NULL;
    }
    int64_t shape[SOMA_MAX_DIMS], attr[3] = {dim, k, largest};
    memcpy(shape, x->shape, sizeof shape);
    shape[dim] = k;
    soma__record r = {SOMA_OP_topk_indices, SOMA_I64, x->ndim, shape, &x, 1, attr, 3};
    return soma__graph_record(x->ctx, &r);
}

static int topk_run(const soma__call *c) {
    const soma__operand *x = &c->in[0];
    int64_t outer, inner, n = x->ndim ? x->shape[c->attr[0]] : 1, k = c->attr[1];
    around(x, c->attr[0], &outer, &inner);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t *best = (int64_t *)c->out.data + o * k * inner + j, have = 0;
            for (int64_t i = 0; i < n && k; i++) {
                int64_t at = have;
                while (at > 0 && soma__before(x, (o * n + i) * inner + j, (o * n + best[(at - 1) * inner]) * inner + j, c->attr[2] != 0)) at--;
                if (at == k) continue;
                if (have < k) have++;
                for (int64_t m = have - 1; m > at; m--) best[m * inner] = best[(m - 1) * inner];
                best[at * inner] = i;
            }
        }
    return SOMA_OK;
}
const soma__op_def soma__op_topk_indices = {.name = "topk_indices", .cls = SOMA__CLASS_KERNEL, .run = topk_run};

soma_tensor *soma_topk(soma_tensor *x, int64_t k, int64_t dim, bool largest, soma_tensor **indices) {
    soma_tensor *i = soma_topk_indices(x, k, dim, largest);
    if (indices) *indices = i;
    return soma_gather(x, dim, i);
}

static soma_tensor *extreme_at(int op, soma_tensor *x, int64_t dim, bool keepdim, soma_tensor **indices) {
    const char *name = op == SOMA_OP_argmax ? "max" : "min";
    if (indices) *indices = NULL;
    if (!soma__check(name, &x, 1)) return NULL;
    soma__composite_begin(x->ctx, name);
    soma_tensor *i = op == SOMA_OP_argmax ? soma_argmax(x, dim, true) : soma_argmin(x, dim, true), *y = soma_gather(x, dim, i);
    if (!keepdim) y = soma_squeeze(y, dim), i = soma_squeeze(i, dim);
    y = soma_interior_end(x->ctx, y);
    soma__composite_begin(x->ctx, name);
    i = soma_interior_end(x->ctx, i);
    if (indices) *indices = i;
    return y;
}
soma_tensor *soma_max(soma_tensor *x, int64_t dim, bool keepdim, soma_tensor **indices) {
    return extreme_at(SOMA_OP_argmax, x, dim, keepdim, indices);
}
soma_tensor *soma_min(soma_tensor *x, int64_t dim, bool keepdim, soma_tensor **indices) {
    return extreme_at(SOMA_OP_argmin, x, dim, keepdim, indices);
}
