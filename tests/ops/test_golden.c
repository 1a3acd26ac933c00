/* Values and gradients of every op against PyTorch's, in float32 and float64. The table of ops is walked: an op without a golden row fails, unless
 * PyTorch has no such op or no such numbers. */
#include "support/check.h"

#include "golden/ops.h"
#include "soma/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef soma_tensor *(*fn)(soma_context *ctx, soma_tensor *const *in);

#define UNARY(name, kind, doc) \
    static soma_tensor *f_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0]); }
#define BINARY(name, kind, doc) \
    static soma_tensor *f_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0], in[1]); }
#define OP(name, params, doc)
#define INNER(name, doc)
#define COMPOSITE(name, params, doc)
/* With PyTorch's settings, and with others. */
#define ACTIVATION0(name, doc) \
    static soma_tensor *a_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0]); }
#define ACTIVATION1(name, a, otherwise, doc) \
    static soma_tensor *a_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0], otherwise); } \
    static soma_tensor *b_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0], 0.75); }
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) \
    static soma_tensor *a_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0], otherwise_a, otherwise_b); } \
    static soma_tensor *b_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, soma_##name(in[0], 0.5, 1.25); }
#define MODULE0(name, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY

#define A in[0]
#define B in[1]
#define C in[2]
#define F(name, e) \
    static soma_tensor *g_##name(soma_context *ctx, soma_tensor *const *in) { return (void)ctx, (void)in, (e); }
F(where, soma_where(soma_gt(A, B), A, soma_mul_scalar(B, 2)))
F(to, soma_to(A, SOMA_I32))
F(clamp, soma_clamp(A, B, C))
F(clamp_low, soma_clamp(A, B, NULL))
F(clamp_to, soma_clamp_to(A, -1.5, 1.25))
F(add_scalar, soma_add_scalar(A, 1.5))
F(sub_scalar, soma_sub_scalar(A, 1.5))
F(rsub_scalar, soma_rsub_scalar(A, 1.5))
F(mul_scalar, soma_mul_scalar(A, 1.5))
F(div_scalar, soma_div_scalar(A, 1.5))
F(pow_scalar, soma_pow_scalar(A, 3))
F(pow_scalar_half, soma_pow_scalar(A, 0.5))
F(pow_scalar_two, soma_pow_scalar(A, 2))
F(reshape, soma_reshape(A, SOMA_SHAPE(4, -1)))
F(permute, soma_permute(A, SOMA_SHAPE(2, 0, 1)))
F(slice, soma_slice(A, 2, 1, 4, 2))
F(expand, soma_expand(A, SOMA_SHAPE(2, 3, 3)))
F(transpose, soma_transpose(A, 0, 2))
F(squeeze, soma_squeeze(soma_slice(A, 0, 0, 1, 1), 0))
F(unsqueeze, soma_unsqueeze(A, -1))
F(flatten, soma_flatten(A, 1, 2))
F(select, soma_select(A, 1, -1))
F(expand_as, soma_mul(soma_expand_as(A, B), B))
F(reshape_as, soma_mul(soma_reshape_as(A, B), B))
F(cat, soma_cat((soma_tensor *[]){A, B, A}, 3, 1))
F(stack, soma_stack((soma_tensor *[]){A, B}, 2, 1))
F(gather, soma_gather(A, 1, B))
F(scatter_add, soma_scatter_add(A, 1, C, B))
F(index_select, soma_index_select(A, 1, B))
F(index_add, soma_index_add(A, 1, C, B))
F(one_hot, soma_one_hot(A, 4))
F(matmul, soma_matmul(A, B))
F(linear, soma_linear(A, B, C))
F(sum, soma_sum(A, NULL))
F(sum_dims, soma_sum(A, &(soma_reduce_opts){SOMA_DIMS(0, -1), .keepdim = 1}))
F(mean, soma_mean(A, NULL))
F(mean_dims, soma_mean(A, &(soma_reduce_opts){SOMA_DIMS(1)}))
F(var, soma_var(A, NULL))
F(var_biased, soma_var(A, &(soma_reduce_opts){SOMA_DIMS(0, 2), .correction = SOMA_SET(0)}))
F(std, soma_std(A, &(soma_reduce_opts){SOMA_DIMS(-1), .keepdim = 1}))
F(amax, soma_amax(A, &(soma_reduce_opts){SOMA_DIMS(1)}))
F(amin, soma_amin(A, NULL))
F(max, soma_max(A, 1, true, NULL))
F(min, soma_min(A, 0, false, NULL))
F(argmax, soma_argmax(A, 2, false))
F(argmin, soma_argmin(A, 1, true))
F(topk, soma_topk(A, 2, 2, true, NULL))
F(topk_indices, soma_topk_indices(A, 2, 1, false))
F(logsumexp, soma_logsumexp(A, &(soma_reduce_opts){SOMA_DIMS(1, 2)}))
F(softmax, soma_softmax(A, 1))
F(log_softmax, soma_log_softmax(A, -1))
F(norm, soma_norm(A))
F(sum_to, soma_sum_to(A, SOMA_SHAPE(3, 1)))
F(unflatten, soma_unflatten(A, 1, SOMA_SHAPE(3, -1)))
F(embedding, soma_embedding(B, A))
F(bilinear, soma_bilinear(A, B, C, NULL))
F(layer_norm, soma_layer_norm(A, 1, B, C, 1e-5))
F(layer_norm_plain, soma_layer_norm(A, 2, NULL, NULL, 0.5))
F(batch_norm, soma_batch_norm(A, NULL, NULL, B, C, true, 0.1, 1e-5))
F(batch_norm_rows, soma_batch_norm(A, NULL, NULL, NULL, NULL, true, 0.1, 0.1))
F(batch_norm_running, soma_batch_norm(A, soma_detach(B), soma_detach(C), NULL, NULL, false, 0.1, 1e-5))
F(softmin, soma_softmin(A, 1))
F(glu, soma_glu(A, 1))
F(prelu, soma_prelu(A, B))
F(rrelu, soma_rrelu(A, 0.125, 0.375, false))
F(alpha_dropout, soma_alpha_dropout(A, 0.5, false))
#define O &(soma_loss_opts)
F(mse_loss, soma_mse_loss(A, B, NULL))
F(mse_loss_none, soma_mse_loss(A, B, O{.reduction = SOMA_NONE}))
F(l1_loss, soma_l1_loss(A, B, NULL))
F(l1_loss_sum, soma_l1_loss(A, B, O{.reduction = SOMA_SUM}))
F(smooth_l1_loss, soma_smooth_l1_loss(A, B, NULL))
F(smooth_l1_loss_beta, soma_smooth_l1_loss(A, B, O{.beta = SOMA_SET(0.5), .reduction = SOMA_NONE}))
F(smooth_l1_loss_zero, soma_smooth_l1_loss(A, B, O{.beta = SOMA_SET(0)}))
F(huber_loss, soma_huber_loss(A, B, NULL))
F(huber_loss_delta, soma_huber_loss(A, B, O{.delta = SOMA_SET(0.5), .reduction = SOMA_SUM}))
F(nll_loss, soma_nll_loss(A, B, NULL))
F(nll_loss_weight, soma_nll_loss(A, C, O{.weight = soma_detach(B), .ignore_index = SOMA_SET(1)}))
F(nll_loss_none, soma_nll_loss(A, C, O{.weight = soma_detach(B), .ignore_index = SOMA_SET(1), .reduction = SOMA_NONE}))
F(nll_loss_dims, soma_nll_loss(A, B, O{.reduction = SOMA_SUM}))
F(binary_cross_entropy, soma_binary_cross_entropy(A, B, NULL))
F(binary_cross_entropy_weight, soma_binary_cross_entropy(A, B, O{.weight = soma_detach(C), .reduction = SOMA_SUM}))
F(binary_cross_entropy_cut, soma_binary_cross_entropy(soma_detach(A), B, O{.reduction = SOMA_NONE}))
F(binary_cross_entropy_with_logits, soma_binary_cross_entropy_with_logits(A, B, NULL))
F(binary_cross_entropy_with_logits_weights,
  soma_binary_cross_entropy_with_logits(A, B, O{.weight = soma_detach(C), .pos_weight = soma_detach(C), .reduction = SOMA_SUM}))
F(kl_div, soma_kl_div(A, B, NULL))
F(kl_div_log, soma_kl_div(A, B, O{.log_target = 1, .reduction = SOMA_BATCHMEAN}))
F(poisson_nll_loss, soma_poisson_nll_loss(A, B, NULL))
F(poisson_nll_loss_full, soma_poisson_nll_loss(A, soma_detach(B), O{.full = 1, .reduction = SOMA_NONE}))
F(poisson_nll_loss_plain, soma_poisson_nll_loss(A, B, O{.plain_input = 1, .eps = SOMA_SET(0.01), .reduction = SOMA_SUM}))
F(hinge_loss, soma_hinge_loss(A, B, O{.margin = SOMA_SET(0.5)}))
F(soft_margin_loss, soma_soft_margin_loss(A, soma_detach(B), NULL))
F(hinge_embedding_loss, soma_hinge_embedding_loss(A, B, NULL))
F(hinge_embedding_loss_margin, soma_hinge_embedding_loss(A, B, O{.margin = SOMA_SET(0.5), .reduction = SOMA_SUM}))
F(multi_margin_loss, soma_multi_margin_loss(A, B, NULL))
F(multi_margin_loss_all,
  soma_multi_margin_loss(A, C, O{.p = SOMA_SET(2), .margin = SOMA_SET(0.75), .weight = soma_detach(B), .reduction = SOMA_NONE}))
F(multilabel_margin_loss, soma_multilabel_margin_loss(A, B, NULL))
F(multilabel_soft_margin_loss, soma_multilabel_soft_margin_loss(A, B, NULL))
F(multilabel_soft_margin_loss_weight, soma_multilabel_soft_margin_loss(A, B, O{.weight = C, .reduction = SOMA_SUM}))
F(gaussian_nll_loss, soma_gaussian_nll_loss(A, B, C, NULL))
F(gaussian_nll_loss_full, soma_gaussian_nll_loss(A, B, C, O{.full = 1, .eps = SOMA_SET(0.5), .reduction = SOMA_NONE}))
F(margin_ranking_loss, soma_margin_ranking_loss(A, B, C, NULL))
F(margin_ranking_loss_margin, soma_margin_ranking_loss(A, B, C, O{.margin = SOMA_SET(0.5), .reduction = SOMA_SUM}))
F(cosine_embedding_loss, soma_cosine_embedding_loss(A, B, soma_detach(C), NULL))
F(cosine_embedding_loss_margin, soma_cosine_embedding_loss(A, B, soma_detach(C), O{.margin = SOMA_SET(-0.5), .reduction = SOMA_NONE}))
F(triplet_margin_loss, soma_triplet_margin_loss(A, B, C, NULL))
F(triplet_margin_loss_all,
  soma_triplet_margin_loss(A, B, C, O{.margin = SOMA_SET(2), .p = SOMA_SET(1), .eps = SOMA_SET(0.01), .swap = 1, .reduction = SOMA_NONE}))
F(triplet_margin_loss_p, soma_triplet_margin_loss(A, B, C, O{.p = SOMA_SET(3), .margin = SOMA_SET(5)}))
F(arange, soma_arange(ctx, 1, 2.5, 0.25, SOMA_F32))
F(full, soma_full(ctx, -1.5, SOMA_F32, SOMA_SHAPE(2, 2)))
F(detach, soma_mul(soma_detach(A), A))
static soma_tensor *g_max_indices(soma_context *ctx, soma_tensor *const *in) {
    soma_tensor *i = NULL;
    return (void)ctx, soma_max(A, 2, false, &i), i;
}
static soma_tensor *g_min_indices(soma_context *ctx, soma_tensor *const *in) {
    soma_tensor *i = NULL;
    return (void)ctx, soma_min(A, 1, false, &i), i;
}

static const struct {
    const char *name;
    fn f;
    bool of_bools; /* the inputs are whether the numbers are above 0 */
} calls[] = {
#define UNARY(name, kind, doc) {#name, f_##name, sizeof #kind == sizeof "LOGIC" && #kind[0] == 'L'},
#define BINARY(name, kind, doc) {#name, f_##name, sizeof #kind == sizeof "LOGIC" && #kind[0] == 'L'},
#define ACTIVATION0(name, doc) {#name, a_##name, false},
#define ACTIVATION1(name, a, otherwise, doc) {#name, a_##name, false}, {#name "/other", b_##name, false},
#define ACTIVATION2(name, a, otherwise_a, b, otherwise_b, doc) {#name, a_##name, false}, {#name "/other", b_##name, false},
#define MODULE0(name, doc)
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER
#undef COMPOSITE
#define G(name) \
    { #name, g_##name, false }
    G(where),
    G(to),
    G(clamp),
    {"clamp/low", g_clamp_low, false},
    G(clamp_to),
    G(add_scalar),
    G(sub_scalar),
    G(rsub_scalar),
    G(mul_scalar),
    G(div_scalar),
    G(pow_scalar),
    {"pow_scalar/half", g_pow_scalar_half, false},
    {"pow_scalar/two", g_pow_scalar_two, false},
    G(reshape),
    G(permute),
    G(slice),
    G(expand),
    G(transpose),
    G(squeeze),
    G(unsqueeze),
    G(flatten),
    G(select),
    G(expand_as),
    G(reshape_as),
    G(cat),
    G(stack),
    G(gather),
    G(scatter_add),
    G(index_select),
    G(index_add),
    G(one_hot),
    G(matmul),
    G(linear),
    G(sum),
    {"sum/dims", g_sum_dims, false},
    G(mean),
    {"mean/dims", g_mean_dims, false},
    G(var),
    {"var/biased", g_var_biased, false},
    G(std),
    G(amax),
    G(amin),
    G(max),
    G(min),
    {"max/indices", g_max_indices, false},
    {"min/indices", g_min_indices, false},
    G(argmax),
    G(argmin),
    G(topk),
    G(topk_indices),
    G(logsumexp),
    G(softmax),
    G(log_softmax),
    G(norm),
    G(sum_to),
    G(unflatten),
    G(embedding),
    G(bilinear),
    G(layer_norm),
    {"layer_norm/plain", g_layer_norm_plain, false},
    G(batch_norm),
    {"batch_norm/rows", g_batch_norm_rows, false},
    {"batch_norm/running", g_batch_norm_running, false},
    G(softmin),
    G(glu),
    G(prelu),
    {"prelu/channels", g_prelu, false},
    G(rrelu),
    G(alpha_dropout),
    {"mse_loss", g_mse_loss, false},
    {"mse_loss/none", g_mse_loss_none, false},
    {"l1_loss", g_l1_loss, false},
    {"l1_loss/sum", g_l1_loss_sum, false},
    {"smooth_l1_loss", g_smooth_l1_loss, false},
    {"smooth_l1_loss/beta", g_smooth_l1_loss_beta, false},
    {"smooth_l1_loss/zero", g_smooth_l1_loss_zero, false},
    {"huber_loss", g_huber_loss, false},
    {"huber_loss/delta", g_huber_loss_delta, false},
    {"nll_loss", g_nll_loss, false},
    {"nll_loss/weight", g_nll_loss_weight, false},
    {"nll_loss/none", g_nll_loss_none, false},
    {"nll_loss/dims", g_nll_loss_dims, false},
    {"binary_cross_entropy", g_binary_cross_entropy, false},
    {"binary_cross_entropy/weight", g_binary_cross_entropy_weight, false},
    {"binary_cross_entropy/cut", g_binary_cross_entropy_cut, false},
    {"binary_cross_entropy_with_logits", g_binary_cross_entropy_with_logits, false},
    {"binary_cross_entropy_with_logits/weights", g_binary_cross_entropy_with_logits_weights, false},
    {"kl_div", g_kl_div, false},
    {"kl_div/log", g_kl_div_log, false},
    {"poisson_nll_loss", g_poisson_nll_loss, false},
    {"poisson_nll_loss/full", g_poisson_nll_loss_full, false},
    {"poisson_nll_loss/plain", g_poisson_nll_loss_plain, false},
    {"hinge_loss", g_hinge_loss, false},
    {"soft_margin_loss", g_soft_margin_loss, false},
    {"hinge_embedding_loss", g_hinge_embedding_loss, false},
    {"hinge_embedding_loss/margin", g_hinge_embedding_loss_margin, false},
    {"multi_margin_loss", g_multi_margin_loss, false},
    {"multi_margin_loss/all", g_multi_margin_loss_all, false},
    {"multilabel_margin_loss", g_multilabel_margin_loss, false},
    {"multilabel_soft_margin_loss", g_multilabel_soft_margin_loss, false},
    {"multilabel_soft_margin_loss/weight", g_multilabel_soft_margin_loss_weight, false},
    {"gaussian_nll_loss", g_gaussian_nll_loss, false},
    {"gaussian_nll_loss/full", g_gaussian_nll_loss_full, false},
    {"margin_ranking_loss", g_margin_ranking_loss, false},
    {"margin_ranking_loss/margin", g_margin_ranking_loss_margin, false},
    {"cosine_embedding_loss", g_cosine_embedding_loss, false},
    {"cosine_embedding_loss/margin", g_cosine_embedding_loss_margin, false},
    {"triplet_margin_loss", g_triplet_margin_loss, false},
    {"triplet_margin_loss/all", g_triplet_margin_loss_all, false},
    {"triplet_margin_loss/p", g_triplet_margin_loss_p, false},
    G(arange),
    G(full),
    G(detach)};

/* Ops that have no row, and why. */
#define LAYERS "tests/ops/test_layers.c has its options' values"
static const struct {
    const char *name, *why;
} without[] = {
    {"argmax_all", "argmax of a flattened input, which tests/ops/test_arguments.c has"},
    {"argmin_all", "argmin of a flattened input"},
    {"rand", "drawn values are not PyTorch's"},
    {"randn", "drawn"},
    {"uniform", "drawn"},
    {"normal", "drawn"},
    {"bernoulli", "drawn"},
    {"randint", "drawn"},
    {"randperm", "drawn"},
    {"dropout", "drawn"},
    {"dropout_by", "drawn"},
    {"conv1d", "tests/ops/test_conv.c has its options' values"},
    {"conv2d", "tests/ops/test_conv.c has its options' values"},
    {"conv3d", "tests/ops/test_conv.c has its options' values"},
    {"conv_transpose1d", "tests/ops/test_conv.c has its options' values"},
    {"conv_transpose2d", "tests/ops/test_conv.c has its options' values"},
    {"conv_transpose3d", "tests/ops/test_conv.c has its options' values"},
    {"conv_forward", "inner: the convolutions"},
    {"conv_data", "inner: the convolutions"},
    {"conv_weight", "inner: the convolutions"},
    {"max_pool1d", LAYERS},
    {"avg_pool1d", LAYERS},
    {"adaptive_max_pool1d", LAYERS},
    {"adaptive_avg_pool1d", LAYERS},
    {"max_pool2d", LAYERS},
    {"avg_pool2d", LAYERS},
    {"adaptive_max_pool2d", LAYERS},
    {"adaptive_avg_pool2d", LAYERS},
    {"max_pool3d", LAYERS},
    {"avg_pool3d", LAYERS},
    {"adaptive_max_pool3d", LAYERS},
    {"adaptive_avg_pool3d", LAYERS},
    {"pad", LAYERS},
    {"unfold", LAYERS},
    {"fold", LAYERS},
    {"interpolate", LAYERS},
    {"pixel_shuffle", LAYERS},
    {"pixel_unshuffle", LAYERS},
    {"channel_shuffle", LAYERS},
    {"local_response_norm", LAYERS},
    {"group_norm", LAYERS},
    {"instance_norm", LAYERS},
    {"layer_norm2d", LAYERS},
    {"dropout1d", "drawn"},
    {"dropout2d", "drawn"},
    {"dropout3d", "drawn"},
    {"feature_dropout_by", "drawn"},
    {"max_pool", "inner: tests/ops/test_layers.c"},
    {"max_pool_indices", "inner: tests/ops/test_layers.c"},
    {"max_pool_backward", "inner: tests/ops/test_layers.c"},
    {"max_pool_pick", "inner: tests/ops/test_layers.c"},
    {"avg_pool", "inner: tests/ops/test_layers.c"},
    {"avg_pool_backward", "inner: tests/ops/test_layers.c"},
    {"pad_backward", "inner: tests/ops/test_layers.c"},
    {"interpolate_backward", "inner: tests/ops/test_layers.c"},
    {"channel_stats", "inner: batch_norm"},
    {"channel_dots", "inner: batch_norm"},
    {"batch_normalise", "inner: batch_norm"},
    {"slice_backward", "inner: the gradient of slice"},
    {"class_loss", "inner: cross_entropy, which tests/optim/test_golden.c has"},
    {"class_loss_backward", "inner: its gradient"},
    {"assign", "inner: changes a variable"},
    {"guard", "inner: no value"},
    {"custom", "inner: the user's"},
    {"sgd_update", "inner: tests/optim/test_golden.c has 20 steps"},
    {"adam_update", "inner: the same"},
};

static const char *const all_ops[] = {
#define UNARY(name, kind, doc) #name,
#define BINARY(name, kind, doc) #name,
#define OP(name, params, doc) #name,
#define INNER(name, doc) #name,
#define COMPOSITE(name, params, doc) #name,
#include "soma/ops.def"
#undef UNARY
#undef BINARY
#undef OP
#undef INNER
#undef COMPOSITE
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* "add/broadcast" is a row of "add". */
static bool is_row_of(const char *row, const char *op) {
    size_t n = strlen(op);
    return strncmp(row, op, n) == 0 && (row[n] == 0 || row[n] == '/');
}

static void every_op_has_a_row_or_a_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(all_ops); i++) {
        bool row = false, reason = false;
        for (size_t k = 0; k < COUNT(golden_ops); k++) row |= is_row_of(golden_ops[k].name, all_ops[i]);
        for (size_t k = 0; k < COUNT(without); k++) reason |= strcmp(without[k].name, all_ops[i]) == 0;
        if (row == reason) fail_msg("%s: %s", all_ops[i], row ? "has a row and a reason for none" : "add a case to tools/golden.py and a call here");
    }
    for (size_t i = 0; i < COUNT(calls); i++) {
        size_t k = 0;
        while (k < COUNT(golden_ops) && !is_row_of(golden_ops[k].name, calls[i].name)) k++;
        if (k == COUNT(golden_ops)) fail_msg("%s: the call has no golden row", calls[i].name);
    }
}

/* The row's own call, else that of its op. */
static size_t find_call(const char *row) {
    for (int exact = 1; exact >= 0; exact--)
        for (size_t i = 0; i < COUNT(calls); i++)
            if (exact ? strcmp(row, calls[i].name) == 0 : is_row_of(row, calls[i].name)) return i;
    fail_msg("%s: no call for this row", row);
    return 0;
}

static int64_t numel(const golden_array *a) {
    int64_t n = 1;
    for (int i = 0; i < a->ndim; i++) n *= a->shape[i];
    return n;
}

static soma_tensor *input(soma_context *ctx, const golden_array *a, soma_dtype dtype) {
    int64_t shape[4], n = numel(a);
    soma_dtype own = a->integer ? SOMA_I64 : dtype;
    union {
        float f[64];
        double d[64];
        int64_t i[64];
    } data;
    assert_true(n <= 64);
    for (int i = 0; i < a->ndim; i++) shape[i] = a->shape[i];
    for (int64_t i = 0; i < n; i++) {
        double v = golden_pool[a->at + i];
        if (own == SOMA_I64) data.i[i] = (int64_t)v;
        else if (own == SOMA_F32) data.f[i] = (float)v;
        else data.d[i] = v;
    }
    return soma_from(ctx, &data, own, shape, a->ndim);
}

/* Inputs are the same numbers in both precisions. Each result is at most about 30 roundings away from them (a sum of 24 squares, a root and a
 * quotient for norm and std), each of relative size u = 2^-24 (2^-53), functions of at most 2 ulp = 4 u; intermediate values are at most 64 in
 * magnitude, and PyTorch's own float64 numbers carry the same count of its u. So a relative 128 u beside an absolute 128 u (for what cancels) is a
 * bound with room for neither a wrong formula nor a float32 step inside a float64 op. */
static void compare(const char *name, const char *what, soma_tensor *x, const golden_array *want, soma_dtype dtype) {
    double got[64], u = dtype == SOMA_F32 ? 0x1p-24 : 0x1p-53;
    assert_int_equal(soma_ndim(x), want->ndim);
    for (int i = 0; i < want->ndim; i++) assert_int_equal(soma_size(x, i), want->shape[i]);
    assert_int_equal(soma_read(soma_to(x, SOMA_F64), got, (size_t)numel(want) * sizeof *got), SOMA_OK);
    for (int64_t i = 0; i < numel(want); i++) {
        double w = golden_pool[want->at + i];
        bool equal = got[i] == w || (got[i] != got[i] && w != w) || fabs(got[i] - w) <= 128 * u * (1 + fabs(w));
        if (!equal) fail_msg("%s, %s, %s, element %d: %.17g, in PyTorch %.17g", name, soma_dtype_name(dtype), what, (int)i, got[i], w);
    }
}

static void check_row(soma_context *ctx, size_t k, soma_dtype dtype) {
    const struct golden_op *g = &golden_ops[k];
    size_t call = find_call(g->name);
    soma_tensor *x[3], *in[3], *grads[3];
    soma_tensor *leaves[3];
    int n_leaves = 0;
    for (int i = 0; i < g->n_in; i++) {
        x[i] = in[i] = input(ctx, &g->in[i], dtype);
        if (!g->in[i].integer) soma_requires_grad(leaves[n_leaves++] = x[i], true);
        if (calls[call].of_bools) in[i] = soma_gt(x[i], soma_scalar(ctx, 0));
    }
    soma_tensor *y = calls[call].f(ctx, in);
    if (!y) fail_msg("%s: %s", g->name, soma_error_message(ctx));
    compare(g->name, "value", y, &g->out, dtype);
    if (!g->n_grads) return;
    assert_int_equal(g->n_grads, n_leaves);
    if (!soma_tensor_requires_grad(y)) { /* steps like floor: no gradient is a gradient of 0 */
        for (int i = 0; i < n_leaves; i++)
            for (int64_t e = 0; e < numel(&g->grad[i]); e++)
                if (golden_pool[g->grad[i].at + e] != 0) fail_msg("%s: PyTorch has a gradient", g->name);
        return;
    }
    soma_dtype own = soma_tensor_dtype(y);
    soma_tensor *seed = soma_reshape(soma_arange(ctx, 0.5, 0.5 + 0.25 * (double)soma_numel(y), 0.25, own), soma_shape(y), soma_ndim(y));
    assert_int_equal(soma_grad(&y, 1, leaves, (size_t)n_leaves, grads, &(soma_grad_opts){.seeds = &seed, .allow_unused = 1}), SOMA_OK);
    for (int i = 0; i < n_leaves; i++) {
        char what[32];
        snprintf(what, sizeof what, "gradient %d", i);
        if (!grads[i]) grads[i] = soma_mul_scalar(leaves[i], 0);
        compare(g->name, what, grads[i], &g->grad[i], dtype);
    }
}

static void values_and_gradients_are_pytorchs(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    for (size_t k = 0; k < COUNT(golden_ops); k++)
        for (int dtype = SOMA_F32; dtype <= SOMA_F64; dtype++) {
            soma_scope *s = soma_scope_open(ctx);
            check_row(ctx, k, (soma_dtype)dtype);
            check_fine(ctx);
            soma_scope_close(s);
        }
    print_message("%d rows, float32 and float64\n", (int)COUNT(golden_ops));
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_op_has_a_row_or_a_reason), cmocka_unit_test(values_and_gradients_are_pytorchs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
