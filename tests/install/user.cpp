#include <soma/soma.h>

int main() {
    soma_context_opts how{};
    how.threads = 1;
    soma_context *ctx = nullptr;
    if (soma_context_create(&ctx, how) != SOMA_OK) return 1;
    soma_linear_opts o{};
    o.no_bias = 1;
    soma_module *m = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, 4, 3, o), soma_nn_tanh(ctx)));
    int rows = 2;
    soma_tensor *y = soma_forward(m, soma_ones(ctx, SOMA_F32, SOMA_SHAPE(rows, 4)));
    soma_tensor *sum = soma_sum(y, soma_over(0)), *all = soma_sum(y);
    bool fine = soma_size(y, 1) == 3 && soma_module_state_count(m) == 1 && soma_size(sum, 0) == 3 && soma_ndim(all) == 0;
    soma_cross_entropy_opts smooth{};
    smooth.label_smoothing = SOMA_SET(0.1);
    const int64_t classes[] = {0, 2};
    double loss = 0;
    fine = fine && soma_item(soma_cross_entropy(y, soma_from(ctx, classes, SOMA_I64, SOMA_SHAPE(2)), smooth), &loss) == SOMA_OK && loss > 0;
    soma_context *other = nullptr;
    fine = fine && soma_context_create(&other) == SOMA_OK && soma_context_create(&other, nullptr) == SOMA_OK;
    soma_context_free(ctx);
    return fine ? 0 : 1;
}
