#include <soma/soma.h>

int main(void) {
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return 1;
    double v = 0;
    soma_tensor *x = soma_full(ctx, 2, SOMA_F32, SOMA_SHAPE(3));
    soma_status s = soma_item(soma_sum(soma_mul(x, x), NULL), &v);
    soma_context_free(ctx);
    return s == SOMA_OK && v == 12 ? 0 : 1;
}
