/* Every fast kernel on every instruction set of the machine against its op's reference kernel, byte for byte: random shapes, strides and values, NaN,
 * infinities, zeros of both signs and subnormals among them, guard bytes around what is written. A row of kernels.def without a maker of calls fails.
 * labels: threads */
#include "support/check.h"

#include "backend/cpu/cpu.h"
#include "backend/cpu/isa.h"
#include "base/alloc.h"
#include "base/fpmode.h"
#include "base/pool.h"
#include "ops/conv.h"
#include "ops/pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 64
#define MOST 64 /* blocks of memory of one call */

typedef struct maker {
    uint64_t random;
    int wild; /* of 100 values, how many are odd ones */
    soma__call call;
    soma__operand in[6];
    int64_t attr[20];
    void *memory[MOST];
    int n_memory;
} maker;

static int64_t below(maker *m, int64_t n) { return (int64_t)(check_random(&m->random) * (double)n); }

static int64_t some_size(maker *m) {
    static const int64_t sizes[] = {0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 20, 31, 32, 33, 40, 63, 64, 65, 100, 129};
    int64_t i = below(m, 40);
    return i < (int64_t)(sizeof sizes / sizeof *sizes) ? sizes[i] : 1 + below(m, 24);
}

static void *memory(maker *m, size_t bytes) {
    assert_true(m->n_memory < MOST);
    return m->memory[m->n_memory++] = calloc(bytes + 1, 1);
}

static double odd_value(maker *m) {
    static const double odd[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 0.0, -0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, 1.0, 88.0, -104.0};
    return odd[below(m, sizeof odd / sizeof *odd)];
}

static void fill(maker *m, void *data, int dtype, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double v = below(m, 100) < m->wild ? odd_value(m) : (check_random(&m->random) - 0.5) * (below(m, 2) ? 4 : 100);
        int64_t k = below(m, 8) ? below(m, 600) - 300 : (int64_t)((uint64_t)below(m, 1 << 30) << 34);
        switch (dtype) {
        case SOMA_F32: ((float *)data)[i] = (float)v; break;
        case SOMA_F64: ((double *)data)[i] = below(m, 4) ? v : v * 1e30; break;
        case SOMA_I64: ((int64_t *)data)[i] = k; break;
        case SOMA_I32: ((int32_t *)data)[i] = (int32_t)k; break;
        case SOMA_U8: ((uint8_t *)data)[i] = (uint8_t)k; break;
        default: ((uint8_t *)data)[i] = k & 1;
        }
    }
}

/* An operand of a shape: dense, or seen through a permutation, slices with steps and repeated dimensions. */
static soma__operand operand(maker *m, int dtype, int ndim, const int64_t *shape, bool strided) {
    soma__operand o = {.numel = 1, .ndim = ndim, .dtype = dtype};
    int order[SOMA_MAX_DIMS];
    int64_t offset = 0, elements = 1;
    for (int d = 0; d < ndim; d++) o.shape[d] = shape[d], o.numel *= shape[d], order[d] = d;
    for (int d = ndim - 1; strided && d > 0; d--) {
        int other = (int)below(m, d + 1), t = order[d];
        order[d] = order[other], order[other] = t;
    }
    bool steps = strided && below(m, 3) == 0, repeats = strided && below(m, 4) == 0;
    for (int i = ndim; i-- > 0;) {
        int d = order[i];
        int64_t step = steps ? 1 + below(m, 3) : 1, before = steps ? below(m, 4) : 0;
        if (repeats && below(m, 2)) continue;
        o.strides[d] = elements * step;
        offset += elements * before;
        elements *= shape[d] * step + before;
    }
    for (int d = 0; d < ndim; d++)
        if (shape[d] == 1 && below(m, 4) == 0) o.strides[d] = below(m, 50); /* never walked */
    size_t size = soma_dtype_size((soma_dtype)dtype);
    int64_t skip = below(m, 3);
    char *data = memory(m, (size_t)(elements + offset + skip) * size);
    fill(m, data, dtype, elements + offset + skip);
    o.data = data + (size_t)(o.numel ? offset + skip : 0) * size;
    return o;
}

static void input(maker *m, int dtype, int ndim, const int64_t *shape, bool strided) {
    m->in[m->call.n_in++] = operand(m, dtype, ndim, shape, strided);
}

/* The result: its memory is the walk's. */
static void result(maker *m, int dtype, int ndim, const int64_t *shape) {
    soma__operand *o = &m->call.out;
    *o = (soma__operand){.numel = 1, .ndim = ndim, .dtype = dtype};
    for (int d = ndim; d-- > 0;) o->shape[d] = shape[d], o->strides[d] = o->numel, o->numel *= shape[d];
}

static void some_shape(maker *m, int *ndim, int64_t *shape, int most) {
    *ndim = (int)below(m, most + 1);
    int64_t numel = 1;
    for (int d = 0; d < *ndim; d++) {
        shape[d] = some_size(m);
        while (numel * shape[d] > 20000) shape[d] = (shape[d] + 1) / 2;
        numel *= shape[d] ? shape[d] : 1;
    }
}

static void make_matmul(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0}, rows = some_size(m), columns = some_size(m), k = below(m, 20) ? some_size(m) : 4000 + below(m, 5000);
    int batch = (int)below(m, 3);
    for (int d = 0; d < batch; d++) shape[d] = 1 + below(m, 3);
    shape[batch] = rows, shape[batch + 1] = k;
    input(m, dtype, batch + 2, shape, true);
    shape[batch] = k, shape[batch + 1] = columns;
    input(m, dtype, batch + 2, shape, true);
    shape[batch] = rows;
    result(m, dtype, batch + 2, shape);
}

/* The shape without the reduced dimensions; sometimes they stay as sizes of 1. */
static void reduced(maker *m, int dtype, int ndim, const int64_t *shape, int64_t mask) {
    int64_t left[SOMA_MAX_DIMS], keep = below(m, 2);
    int n = 0;
    for (int d = 0; d < ndim; d++)
        if (!(mask >> d & 1) || keep) left[n++] = mask >> d & 1 ? 1 : shape[d];
    m->attr[0] = mask, m->attr[1] = keep;
    result(m, dtype, n, left);
}

static void make_sum(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim;
    some_shape(m, &ndim, shape, 4);
    if (ndim && below(m, 8) == 0) shape[below(m, ndim)] *= 100;
    if (ndim == 1 && below(m, 2)) shape[0] = 4096 * below(m, 12) + below(m, 4096) * below(m, 2);
    int64_t numel = 1;
    for (int d = 0; d < ndim; d++) numel *= shape[d];
    if (numel > 300000) shape[0] = 1, shape[ndim - 1] = some_size(m);
    bool plain = ndim && below(m, 3) == 0; /* what networks do: one end of a dense operand */
    input(m, dtype, ndim, shape, !plain);
    reduced(m, dtype, ndim, shape, plain ? (int64_t)1 << (below(m, 2) ? 0 : ndim - 1) : below(m, (int64_t)1 << ndim));
}

/* Classes that are there, some ignored, rarely one that is not there. */
static void make_class_loss(maker *m, int dtype) {
    bool backward = m->call.op == SOMA_OP_class_loss_backward, weighted = below(m, 2), smoothed = below(m, 2);
    int64_t shape[2] = {below(m, 150), 1 + (below(m, 2) ? below(m, 20) : below(m, 300))}, reduction = below(m, 3);
    m->attr[0] = reduction, m->attr[1] = (weighted ? 1 : 0) | (smoothed ? 2 : 0) | (backward && below(m, 10) == 0 ? 4 : 0);
    m->call.n_attr = 2;
    input(m, dtype, 2, shape, true);
    input(m, SOMA_I64, 1, shape, true);
    bool wrong = below(m, 20) == 0;
    soma__operand *t = &m->in[1];
    for (int64_t i = 0; i < shape[0]; i++) ((int64_t *)t->data)[i * t->strides[0]] = below(m, 10) == 0 ? -100 : below(m, shape[1] + wrong);
    input(m, SOMA_I64, 0, NULL, false);
    *(int64_t *)m->in[2].data = -100;
    input(m, dtype, 0, NULL, false);
    *(float *)m->in[3].data = smoothed ? 0.125f : 0.0f;
    if (weighted) input(m, dtype, 1, &shape[1], true);
    if (backward) input(m, dtype, reduction == SOMA_NONE, shape, true);
    result(m, dtype, backward ? 2 : reduction == SOMA_NONE, shape);
}

static void make_softmax(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim;
    some_shape(m, &ndim, shape, 3);
    m->attr[0] = ndim ? below(m, ndim) : 0;
    if (ndim && below(m, 20) == 0) {
        for (int d = 0; d < ndim; d++) shape[d] = 1 + below(m, 2);
        shape[m->attr[0]] = 4090 + below(m, 9000);
    }
    input(m, dtype, ndim, shape, false);
    result(m, dtype, ndim, shape);
}

/* The position is {stream, counter}; the counter passes 2^32 and 2^64 sometimes. */
static void make_draw(maker *m, int dtype) {
    static const uint64_t counters[] = {0, 5, 0xfffffff0u, 0xfffffffffffffff9u};
    int64_t n = below(m, 4) ? some_size(m) : below(m, 20000), two = 2;
    input(m, SOMA_I64, 1, &two, false);
    uint64_t *at = m->in[0].data;
    at[0] = 1 + (uint64_t)below(m, 3) * 0x700000001u, at[1] = counters[below(m, 4)];
    if (m->call.op == SOMA_OP_bernoulli) {
        input(m, dtype, 1, &n, false);
        for (int64_t i = 0; dtype == SOMA_F32 && i < n; i++)
            ((float *)m->in[1].data)[i] = below(m, 4) ? (float)check_random(&m->random) : (float)below(m, 2);
    }
    result(m, dtype, 1, &n);
}

static void make_full(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim;
    some_shape(m, &ndim, shape, 3);
    input(m, dtype, 0, shape, false);
    result(m, dtype, ndim, shape);
}

/* Views of a view. */
static void make_view(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0}, *attr = m->attr;
    int ndim;
    some_shape(m, &ndim, shape, 4);
    if (m->call.op == SOMA_OP_slice && !ndim) ndim = 1, shape[0] = some_size(m);
    if (m->call.op == SOMA_OP_expand && ndim) shape[below(m, ndim)] = 1;
    input(m, dtype, ndim, shape, below(m, 8) != 0);
    if (m->call.op == SOMA_OP_permute) {
        m->call.n_attr = ndim;
        for (int d = 0; d < ndim; d++) attr[d] = d;
        for (int d = ndim - 1; d > 0; d--) {
            int64_t other = below(m, d + 1), t = attr[d];
            attr[d] = attr[other], attr[other] = t;
        }
        for (int d = 0; d < ndim; d++) shape[d] = m->in[0].shape[attr[d]];
    } else if (m->call.op == SOMA_OP_slice) {
        attr[0] = below(m, ndim), attr[2] = 1 + below(m, 3);
        attr[1] = below(m, shape[attr[0]] + 1);
        shape[attr[0]] = (shape[attr[0]] - attr[1] + attr[2] - 1) / attr[2];
    } else if (m->call.op == SOMA_OP_expand) {
        int64_t lead = below(m, 3);
        memmove(shape + lead, shape, (size_t)ndim * sizeof *shape);
        for (int64_t d = 0; d < lead + ndim; d++)
            if (d < lead || (shape[d] == 1 && below(m, 2))) shape[d] = 1 + below(m, 9);
        ndim += (int)lead;
    } else if (m->call.op == SOMA_OP_reshape && below(m, 2)) {
        shape[0] = m->in[0].numel;
        ndim = 1;
    }
    result(m, dtype, ndim, shape);
}

static void make_to(maker *m, int dtype) {
    static const int dtypes[] = {SOMA_F32, SOMA_F64, SOMA_I64, SOMA_I32, SOMA_U8, SOMA_BOOL};
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim;
    some_shape(m, &ndim, shape, 3);
    input(m, dtypes[below(m, 6)], ndim, shape, below(m, 3) == 0);
    result(m, dtype, ndim, shape);
}

static void make_guard(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim;
    some_shape(m, &ndim, shape, 2);
    input(m, below(m, 3) ? SOMA_F32 : SOMA_F64, ndim, shape, false);
    if (m->in[0].numel && below(m, 3) == 0 && m->in[0].dtype == SOMA_F32) ((float *)m->in[0].data)[below(m, m->in[0].numel)] = NAN;
    result(m, dtype, 0, shape);
}

/* amax and amin over any dimensions, argmax and argmin over one; none of the reduced is empty. */
static void make_extreme(maker *m, int dtype) {
    static const int dtypes[] = {SOMA_F32, SOMA_F32, SOMA_F32, SOMA_F64, SOMA_I64};
    int64_t shape[SOMA_MAX_DIMS] = {0};
    int ndim, from = dtype == SOMA_I64 ? dtypes[below(m, 5)] : dtype;
    some_shape(m, &ndim, shape, 4);
    if (!ndim) ndim = 1, shape[0] = 1 + some_size(m);
    int64_t mask = dtype == SOMA_I64 || below(m, 2) ? (int64_t)1 << below(m, ndim) : below(m, (int64_t)1 << ndim);
    for (int d = 0; d < ndim; d++)
        if (mask >> d & 1 && !shape[d]) shape[d] = 1;
    input(m, from, ndim, shape, true);
    reduced(m, dtype, ndim, shape, mask);
}

/* An index into dimension attr[0] of input 0; at times one entry is wrong. */
static void make_pick(maker *m, int dtype) {
    int64_t shape[SOMA_MAX_DIMS] = {0}, n;
    int ndim;
    some_shape(m, &ndim, shape, 3);
    if (!ndim) ndim = 1, shape[0] = some_size(m);
    int64_t dim = m->attr[0] = below(m, ndim);
    input(m, dtype, ndim, shape, false);
    n = shape[dim];
    shape[dim] = n ? some_size(m) : 0;
    bool gather = m->call.op == SOMA_OP_gather;
    for (int d = 0; gather && d < ndim; d++)
        if (d != dim && shape[d] && below(m, 2)) shape[d] = 1 + below(m, shape[d]);
    if (gather) input(m, SOMA_I64, ndim, shape, false);
    else input(m, SOMA_I64, 1, shape + dim, false);
    int64_t *index = m->in[1].data, entries = m->in[1].numel;
    for (int64_t i = 0; i < entries; i++) index[i] = below(m, n);
    if (entries && below(m, 6) == 0) index[below(m, entries)] = below(m, 2) ? n : -1, index[below(m, entries)] = n + 7;
    result(m, dtype, ndim, shape);
}

/* A dense operand's elements, read as if channels lay side by side. */
static void by_channels(soma__operand *x) {
    int64_t step = x->shape[1];
    x->strides[1] = 1;
    for (int d = x->ndim; d-- > 0;)
        if (d != 1) x->strides[d] = step, step *= x->shape[d];
}

/* Sizes for Winograd's way: both tiles, odd ends, all paddings; at times more than a chain of tiles. */
static void winograd(maker *m, int64_t *x, int64_t *w, int64_t *y) {
    int64_t *a = m->attr, c = 16 + below(m, 50), o = 16 + below(m, 50);
    bool many = m->call.op == SOMA_OP_conv_weight && below(m, 3) == 0;
    if (many) c = 16 + below(m, 3), o = 16 + below(m, 3);
    else if (below(m, 2)) c = 16 << below(m, 3), o = 16 << below(m, 3); /* whole vectors of channels have tiles of their own */
    a[SOMA__CONV_DIMS] = 2, a[SOMA__CONV_GROUPS] = 1, a[SOMA__CONV_TILE] = below(m, 3) ? 2 : 4;
    x[0] = y[0] = many ? 3 : 1 + below(m, 2), x[1] = w[1] = c, y[1] = w[0] = o;
    for (int64_t d = 0; d < 2; d++) {
        int64_t pad = below(m, 3);
        y[2 + d] = many ? 40 : 4 + below(m, 14), x[2 + d] = y[2 + d] + 2 - 2 * pad, w[2 + d] = 3;
        if (x[2 + d] < 1) x[2 + d] += 2 * pad, pad = 0;
        a[SOMA__CONV_NUMBERS + d] = 1, a[SOMA__CONV_NUMBERS + 2 + d] = pad, a[SOMA__CONV_NUMBERS + 4 + d] = 1;
    }
}

/* Odd sizes, groups, strides, borders and dilations in one to three dimensions; sometimes more than 4096 steps of k. */
static void make_conv(maker *m, int dtype) {
    int64_t nd = 1 + below(m, 3), groups = below(m, 3) ? 1 : 1 + below(m, 4), c = 1 + below(m, 9), o = 1 + below(m, below(m, 4) ? 9 : 70);
    int64_t most = nd == 1 ? 60 : nd == 2 ? 14 : 6, *a = m->attr, x[5], w[5], y[5];
    bool each = below(m, 8) == 0; /* each channel by itself, at times more than 4096 pixels */
    if (each) groups = 2 + below(m, 40), c = o = 1, most = nd == 1 && below(m, 3) == 0 ? 3000 : most;
    bool deep = !each && below(m, 30) == 0 && nd < 3;
    if (deep) c = 500 + below(m, 400), o = 1 + below(m, 4), groups = 1, most = 4;
    a[SOMA__CONV_DIMS] = nd, a[SOMA__CONV_GROUPS] = groups, a[SOMA__CONV_TILE] = 0;
    x[0] = y[0] = 1 + below(m, 3), x[1] = groups * c, w[0] = y[1] = groups * o, w[1] = c;
    for (int64_t d = 0; d < nd; d++) {
        int64_t stride = below(m, 3) ? 1 : 1 + below(m, 3), pad = below(m, 4), dilation = below(m, 3) ? 1 : 1 + below(m, 3);
        w[2 + d] = deep ? 3 : 1 + below(m, nd == 1 ? 9 : 4);
        y[2 + d] = 1 + below(m, most);
        x[2 + d] = (y[2 + d] - 1) * stride - 2 * pad + dilation * (w[2 + d] - 1) + 1 + below(m, stride);
        if (x[2 + d] < 1) x[2 + d] += 2 * pad, pad = 0;
        a[SOMA__CONV_NUMBERS + d] = stride, a[SOMA__CONV_NUMBERS + nd + d] = pad, a[SOMA__CONV_NUMBERS + 2 * nd + d] = dilation;
    }
    if (below(m, 4) == 0) winograd(m, x, w, y), nd = 2;
    int op = m->call.op, n = (int)nd + 2;
    bool strided = below(m, 2);
    input(m, dtype, n, op == SOMA_OP_conv_data ? y : x, strided);
    input(m, dtype, n, op == SOMA_OP_conv_weight ? y : w, strided && op == SOMA_OP_conv_weight);
    if (!strided && below(m, 2)) by_channels(&m->in[0]);
    if (!strided && op == SOMA_OP_conv_weight && below(m, 2)) by_channels(&m->in[1]);
    result(m, dtype, n, op == SOMA_OP_conv_forward ? y : op == SOMA_OP_conv_data ? x : w);
    if (op != SOMA_OP_conv_weight && below(m, 2)) by_channels(&m->call.out);
}

static void make_channels(maker *m, int dtype) {
    int64_t nd = 2 + below(m, 4), shape[5], mean[5] = {1, 1, 1, 1, 1};
    for (int64_t d = 0; d < nd; d++) shape[d] = 1 + below(m, nd == 2 ? 700 : nd == 3 ? 40 : 9);
    shape[1] = mean[1] = below(m, 4) ? 1 + below(m, 40) : 60 + below(m, 10);
    bool strided = below(m, 4) == 0;
    for (int k = 0; k < (m->call.op == SOMA_OP_channel_dots ? 2 : 1); k++) {
        input(m, dtype, (int)nd, shape, strided);
        if (!strided) by_channels(&m->in[k]);
    }
    if (m->call.op == SOMA_OP_channel_dots) input(m, dtype, (int)nd, mean, strided);
    result(m, dtype, 2, (int64_t[]){2, shape[1]});
}

/* Channels side by side mostly; windows that overlap, leave gaps, reach into borders, are adaptive. */
static void make_pool(maker *m, int dtype) {
    int64_t nd = 1 + below(m, 3), most = nd == 1 ? 40 : nd == 2 ? 9 : 4, *a = m->attr, x[5], y[5];
    int op = m->call.op, n = (int)nd + 2;
    x[0] = y[0] = 1 + below(m, 3), x[1] = y[1] = below(m, 4) ? 1 + below(m, 40) : 60 + below(m, 30);
    a[SOMA__POOL_DIMS] = nd, a[SOMA__POOL_ADAPTIVE] = below(m, 4) == 0, a[SOMA__POOL_DIVISOR] = below(m, 4) - 1;
    for (int64_t d = 0; d < nd; d++) {
        int64_t kernel = 1 + below(m, 4), stride = below(m, 2) ? kernel : 1 + below(m, 4), pad = below(m, kernel / 2 + 1),
                dilation = below(m, 3) ? 1 : 1 + below(m, 2);
        y[2 + d] = 1 + below(m, most);
        x[2 + d] = (y[2 + d] - 1) * stride - 2 * pad + dilation * (kernel - 1) + 1 + below(m, stride);
        if (a[SOMA__POOL_ADAPTIVE]) x[2 + d] = 1 + below(m, 2 * most);
        if (x[2 + d] < 1) x[2 + d] += 2 * pad, pad = 0;
        int64_t numbers[4] = {kernel, stride, pad, dilation};
        for (int k = 0; k < 4; k++) a[SOMA__POOL_NUMBERS + k * nd + d] = numbers[k];
    }
    bool back = op == SOMA_OP_max_pool_backward || op == SOMA_OP_avg_pool_backward, strided = below(m, 5) == 0;
    if (op != SOMA_OP_avg_pool_backward) input(m, dtype, n, x, strided);
    if (back) input(m, dtype, n, y, below(m, 2));
    result(m, dtype, n, back ? x : y);
    if (strided) return;
    if (op != SOMA_OP_avg_pool_backward) by_channels(&m->in[0]);
    if (back || below(m, 2)) by_channels(&m->call.out);
}

static const struct {
    int op;
    void (*make)(maker *m, int dtype);
} makers[] = {
    {SOMA_OP_matmul, make_matmul},
    {SOMA_OP_sum, make_sum},
    {SOMA_OP_class_loss, make_class_loss},
    {SOMA_OP_class_loss_backward, make_class_loss},
    {SOMA_OP_softmax, make_softmax},
    {SOMA_OP_log_softmax, make_softmax},
    {SOMA_OP_rand, make_draw},
    {SOMA_OP_randn, make_draw},
    {SOMA_OP_bernoulli, make_draw},
    {SOMA_OP_full, make_full},
    {SOMA_OP_detach, make_view},
    {SOMA_OP_reshape, make_view},
    {SOMA_OP_permute, make_view},
    {SOMA_OP_slice, make_view},
    {SOMA_OP_expand, make_view},
    {SOMA_OP_to, make_to},
    {SOMA_OP_amax, make_extreme},
    {SOMA_OP_amin, make_extreme},
    {SOMA_OP_argmax, make_extreme},
    {SOMA_OP_argmin, make_extreme},
    {SOMA_OP_gather, make_pick},
    {SOMA_OP_index_select, make_pick},
    {SOMA_OP_guard, make_guard},
    {SOMA_OP_conv_forward, make_conv},
    {SOMA_OP_conv_data, make_conv},
    {SOMA_OP_conv_weight, make_conv},
    {SOMA_OP_channel_stats, make_channels},
    {SOMA_OP_channel_dots, make_channels},
    {SOMA_OP_max_pool, make_pool},
    {SOMA_OP_max_pool_backward, make_pool},
    {SOMA_OP_avg_pool, make_pool},
    {SOMA_OP_avg_pool_backward, make_pool},
};

static const struct {
    int op, dtype;
    const char *name;
} rows[] = {
#define KERNEL(op, dtype, fn) {SOMA_OP_##op, SOMA_##dtype, #op " " #dtype},
#include "backend/cpu/kernels.def"
#undef KERNEL
};

/* What a kernel did: its status, its sentence, and its result between guards. */
typedef struct outcome {
    int status;
    char sentence[256];
    char *bytes;
} outcome;

static outcome run(maker *m, const soma__env *env, int (*kernel)(const soma__call *), size_t bytes) {
    outcome o = {.bytes = memory(m, bytes + 2 * GUARD)};
    size_t scratch = soma__ops[m->call.op]->scratch ? soma__ops[m->call.op]->scratch(&m->call, soma__pool_threads(env->pool)) : 0;
    size_t fast = (size_t)soma__cpu_scratch(&m->call, soma__pool_threads(env->pool));
    if (fast > scratch) scratch = fast;
    char *s = memory(m, scratch + 2 * GUARD);
    memset(o.bytes, 0xA5, bytes + 2 * GUARD);
    memset(s, 0xA5, scratch + 2 * GUARD);
    m->call.out.data = o.bytes + GUARD;
    m->call.scratch = s + GUARD;
    o.status = kernel(&m->call);
    if (o.status != SOMA_OK) strncpy(o.sentence, soma_error_message(env->ctx), sizeof o.sentence - 1);
    soma_error_take(env->ctx);
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal((unsigned char)o.bytes[i], 0xA5);
        assert_int_equal((unsigned char)o.bytes[GUARD + bytes + i], 0xA5);
        assert_int_equal((unsigned char)s[GUARD + scratch + i], 0xA5);
    }
    return o;
}

static bool both_nan(int dtype, const char *a, const char *b) {
    if (dtype == SOMA_F32) return isnan(*(const float *)(const void *)a) && isnan(*(const float *)(const void *)b);
    return dtype == SOMA_F64 && isnan(*(const double *)(const void *)a) && isnan(*(const double *)(const void *)b);
}

/* The index of the first element that differs, or -1. NaNs are equal. */
static int64_t differs(const soma__operand *out, const char *a, const char *b) {
    size_t size = soma_dtype_size((soma_dtype)out->dtype);
    if (memcmp(a, b, (size_t)out->numel * size) == 0) return -1;
    for (int64_t i = 0; i < out->numel; i++, a += size, b += size)
        if (memcmp(a, b, size) != 0 && !both_nan(out->dtype, a, b)) return i;
    return -1;
}

static void describe(const soma__operand *o, char *text, size_t size) {
    int n = snprintf(text, size, "%s [", soma_dtype_name((soma_dtype)o->dtype));
    for (int d = 0; d < o->ndim; d++)
        n += snprintf(text + n, size - (size_t)n, "%s%lld by %lld", d ? ", " : "", (long long)o->shape[d], (long long)o->strides[d]);
    snprintf(text + n, size - (size_t)n, "]");
}

static void compare(maker *m, const char *name, soma__env *env) {
    const soma__operand *out = &m->call.out;
    size_t bytes = (size_t)out->numel * soma_dtype_size((soma_dtype)out->dtype);
    outcome want = run(m, env, soma__ops[m->call.op]->run, bytes);
    for (int isa = 0; isa < SOMA_ISA_COUNT; isa++) {
        const char *kernel_name;
        if (soma__isa_cap(isa) != isa) continue;
        env->isa = isa;
        soma__kernel kernel = soma__cpu_kernel(isa, &m->call, &kernel_name);
        assert_non_null(kernel);
        outcome have = run(m, env, kernel, bytes);
        int64_t at = differs(out, want.bytes + GUARD, have.bytes + GUARD);
        if (have.status == want.status && strcmp(have.sentence, want.sentence) == 0 && (want.status != SOMA_OK || at < 0)) continue;
        char text[3][256];
        for (int k = 0; k < 3; k++) describe(&m->in[k < m->call.n_in ? k : 0], text[k], sizeof text[k]);
        size_t size = soma_dtype_size((soma_dtype)out->dtype);
        uint64_t a = 0, b = 0;
        if (at >= 0) memcpy(&a, want.bytes + GUARD + (size_t)at * size, size), memcpy(&b, have.bytes + GUARD + (size_t)at * size, size);
        fail_msg("%s on %s: status %d (%s), not %d (%s); element %lld of %lld is %llx, not %llx; %d inputs: %s, %s, %s; attr %lld", name,
                 soma__isa_name(isa), have.status, have.sentence, want.status, want.sentence, (long long)at, (long long)out->numel,
                 (unsigned long long)b, (unsigned long long)a, m->call.n_in, text[0], text[1], text[2], (long long)m->attr[0]);
    }
}

static void kernels_have_the_bits_of_their_references(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    soma__env env = {.ctx = ctx, .seed = 0x123456789abcdef1u};
    assert_int_equal(soma__pool_create(&soma__default_allocator, 3, &env.pool), SOMA_OK);
    for (int isa = 0; isa < SOMA_ISA_COUNT; isa++)
        if (soma__isa_cap(isa) == isa) print_message("%s\n", soma__isa_name(isa));
    soma__fpmode mode = soma__fpmode_enter();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t k = 0;
        while (k < sizeof makers / sizeof *makers && makers[k].op != rows[i].op) k++;
        if (k == sizeof makers / sizeof *makers) fail_msg("%s: no maker of calls in tests/backend/test_kernels.c", rows[i].name);
        for (int t = 0; t < 300; t++) {
            maker m = {.random = (uint64_t)(i * 1000003 + (uint64_t)t), .wild = t % 3 == 0 ? 0 : t % 3 == 1 ? 2 : 50};
            m.call = (soma__call){.op = rows[i].op, .in = m.in, .attr = m.attr, .n_attr = SOMA_MAX_DIMS, .env = &env};
            makers[k].make(&m, rows[i].dtype);
            compare(&m, rows[i].name, &env);
            while (m.n_memory) free(m.memory[--m.n_memory]);
        }
    }
    soma__fpmode_leave(mode);
    soma__pool_destroy(env.pool);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_have_the_bits_of_their_references)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
