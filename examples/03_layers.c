/* Chapter 3: a layer is weighted sums and biases. Computed by hand, and by the library: equal. */
#include "support/chapter.h"

enum { INPUTS = 3, OUTPUTS = 2, ROWS = 2 };

/* y = W x + b, with loops. */
static void by_hand(const float *w, const float *b, const float *x, float *y) {
    for (int o = 0; o < OUTPUTS; o++) {
        float sum = b[o];
        for (int i = 0; i < INPUTS; i++) sum += w[o * INPUTS + i] * x[i];
        y[o] = sum;
    }
}

static void draw(plot *p, const float *w, const float *b, const float *x, const float *y) {
    char text[64];
    plot_blank(p, "one row through the layer");
    for (int o = 0; o < OUTPUTS; o++)
        for (int i = 0; i < INPUTS; i++) {
            double xs[2] = {0.15, 0.75}, ys[2] = {0.85 - 0.35 * i, 0.7 - 0.4 * o};
            plot_line(p, xs, ys, 2, o, NULL);
            snprintf(text, sizeof text, "%g", (double)w[o * INPUTS + i]);
            plot_text(p, 0.15 + 0.6 * 0.3, ys[0] + 0.3 * (ys[1] - ys[0]) + 0.04, text);
        }
    for (int i = 0; i < INPUTS; i++) {
        snprintf(text, sizeof text, "x%d = %g", i + 1, (double)x[i]);
        plot_text(p, 0.03, 0.85 - 0.35 * i, text);
    }
    for (int o = 0; o < OUTPUTS; o++) {
        snprintf(text, sizeof text, "y%d = %g (bias %g)", o + 1, (double)y[o], (double)b[o]);
        plot_text(p, 0.88, 0.7 - 0.4 * o, text);
    }
}

int main(int argc, char **argv) {
    /* numbers that floats hold exactly, so that equal means equal */
    const float w[OUTPUTS * INPUTS] = {0.5f, -1, 2, 1.5f, 0.25f, -0.5f}, b[OUTPUTS] = {1, -2}, x[ROWS * INPUTS] = {1, 2, 3, -1, 0.5f, 4};
    float hand[ROWS * OUTPUTS], library[ROWS * OUTPUTS];
    soma_context *ctx = begin(1);
    for (int r = 0; r < ROWS; r++) by_hand(w, b, x + r * INPUTS, hand + r * OUTPUTS);

    soma_module *layer = soma_nn_linear(ctx, INPUTS, OUTPUTS, NULL);
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(layer, &params, &n);
    soma_assign_from(params[0], w, sizeof w);
    soma_assign_from(params[1], b, sizeof b);
    soma_read(soma_forward(layer, soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(ROWS, INPUTS))), library, sizeof library);
    fine(ctx);

    int same = 1;
    for (int i = 0; i < ROWS * OUTPUTS; i++) {
        printf("y[%d][%d]: by hand %g, by the layer %g\n", i / OUTPUTS, i % OUTPUTS, (double)hand[i], (double)library[i]);
        same = same && hand[i] == library[i];
    }
    claim(same, "the layer is the loops, to the last bit");
    claim(n == 2 && soma_numel(params[0]) + soma_numel(params[1]) == OUTPUTS * (INPUTS + 1), "it has outputs * (inputs + 1) numbers to learn");
    soma_assign_from(params[1], (const float[OUTPUTS]){0, 0}, sizeof b);
    const float nothing[INPUTS] = {0};
    soma_read(soma_forward(layer, soma_from(ctx, nothing, SOMA_F32, SOMA_SHAPE(1, INPUTS))), library, OUTPUTS * sizeof *library);
    claim(library[0] == 0 && library[1] == 0, "without biases a layer gives 0 for 0, whatever its weights");

    plot *picture = plot_new(1, 620, 300);
    draw(picture, w, b, x, hand);
    finish(ctx, picture, argc, argv, "03_layers");
    return 0;
}
