/* Chapter 9: vanishing gradients. The gradient's size in each layer, for sigmoid, tanh and ReLU, 2 to 20 layers deep, with good and bad first
 * weights. */
#include "support/chapter.h"

#include "soma/init.h"

enum { WIDTH = 64, ROWS = 128, DEEPEST = 20 };
static const struct {
    const char *name;
    int kind; /* 0 sigmoid, 1 tanh, 2 ReLU */
    int good;
} nets[] = {{"sigmoid, N(0, 0.1)", 0, 0}, {"sigmoid, Xavier", 0, 1}, {"tanh, N(0, 0.1)", 1, 0},
            {"tanh, Xavier", 1, 1},       {"ReLU, N(0, 0.1)", 2, 0}, {"ReLU, Kaiming", 2, 1}};
enum { NETS = sizeof nets / sizeof *nets };

/* The root mean square of the gradient of each layer's weights, divided by the last one's. */
static void look(soma_context *ctx, int net, int depth, double *sizes) {
    soma_scope *scope = soma_scope_open(ctx);
    soma_module *layers[DEEPEST];
    soma_tensor *weights[DEEPEST];
    soma_manual_seed(ctx, 3);
    soma_tensor *x = soma_randn(ctx, SOMA_F32, SOMA_SHAPE(ROWS, WIDTH));
    for (int k = 0; k < depth; k++) {
        soma_tensor *const *params;
        size_t n;
        layers[k] = soma_nn_linear(ctx, WIDTH, WIDTH, NULL);
        soma_module_parameters(layers[k], &params, &n);
        weights[k] = params[0];
        if (!nets[net].good) soma_init_normal(weights[k], 0, 0.1);
        else soma_init_by_name(weights[k], nets[net].kind == 2 ? "kaiming_normal" : "xavier_normal");
        x = soma_forward(layers[k], x);
        x = nets[net].kind == 0 ? soma_sigmoid(x) : nets[net].kind == 1 ? soma_tanh(x) : soma_relu(x);
    }
    soma_backward(soma_mse_loss(x, soma_randn(ctx, SOMA_F32, SOMA_SHAPE(ROWS, WIDTH)), NULL), NULL);
    for (int k = 0; k < depth; k++) {
        double square;
        soma_item(soma_mean(soma_square(soma_tensor_grad(weights[k])), NULL), &square);
        sizes[k] = sqrt(square);
    }
    for (int k = 0; k < depth; k++) sizes[k] /= sizes[depth - 1];
    fine(ctx);
    soma_scope_close(scope);
}

int main(int argc, char **argv) {
    static double sizes[NETS][DEEPEST], first[NETS][DEEPEST], layer[DEEPEST], depths[DEEPEST];
    soma_context *ctx = begin(1);
    int n = 0;
    for (int depth = 2; depth <= DEEPEST; depth += 2, n++) {
        depths[n] = depth;
        for (int k = 0; k < NETS; k++) look(ctx, k, depth, sizes[k]), first[k][n] = sizes[k][0];
    }
    printf("the first layer's gradient, as a share of the last one's:\n%-20s", "depth");
    for (int i = 0; i < n; i += 3) printf("%10d", (int)depths[i]);
    printf("\n");
    for (int k = 0; k < NETS; k++) {
        printf("%-20s", nets[k].name);
        for (int i = 0; i < n; i += 3) printf("%10.1e", first[k][i]);
        printf("\n");
    }
    claim(first[0][n - 1] < 1e-10 && first[1][n - 1] < 1e-8, "through 20 sigmoids nothing is left of the gradient, even with Xavier's weights");
    claim(first[0][0] > 0.01 && first[0][n - 1] < 1e-6 * first[0][0], "two layers deep it was fine: each sigmoid takes its share");
    claim(first[3][n - 1] > 1e-2, "tanh with Xavier's weights keeps the gradient's size within a hundred, 20 layers deep");
    claim(first[5][n - 1] > 0.05 && first[5][n - 1] < 20, "ReLU with Kaiming's weights keeps it within twenty");
    claim(first[2][n - 1] < 0.1 * first[3][n - 1] && first[4][n - 1] < 0.1 * first[5][n - 1],
          "badly chosen first weights cost both of them most of it");

    plot *picture = plot_new(2, 440, 360);
    for (int i = 0; i < DEEPEST; i++) layer[i] = i + 1;
    plot_panel(picture, "20 layers: gradient in each", 1, DEEPEST, 1e-16, 100, "layer", "size / last layer's", 1);
    plot_legend_below(picture);
    for (int k = 0; k < NETS; k++) plot_line(picture, layer, sizes[k], DEEPEST, k, nets[k].name);
    plot_panel(picture, "the first layer's, by depth", 2, DEEPEST, 1e-16, 100, "layers", "size / last layer's", 1);
    for (int k = 0; k < NETS; k++) plot_line(picture, depths, first[k], n, k, NULL);
    finish(ctx, picture, argc, argv, "09_vanishing");
    return 0;
}
