#include <soma/soma.h>

int main() {
    soma_context *ctx = nullptr;
    if (soma_context_create(&ctx, nullptr) != SOMA_OK) return 1;
    const int64_t shape[] = {2, 4};
    soma_linear_opts o{};
    o.no_bias = 1;
    soma_module *m = soma_nn_linear(ctx, 4, 3, o);
    soma_tensor *y = soma_forward(m, soma_ones(ctx, SOMA_F32, shape, 2));
    bool fine = soma_size(y, 1) == 3 && soma_module_state_count(m) == 1;
    soma_context_free(ctx);
    return fine ? 0 : 1;
}
