/* Chapter 10: feature extraction. A net learns digits 0 to 6; its hidden layer's features let another classifier tell 7, 8 and 9 from few samples. */
#include "support/chapter.h"

#include <string.h>

enum { PIXELS = 784, HIDDEN = 64, DRAWN = 9000, TESTED = 600, DRAWS = 10 };

typedef struct set {
    float *x;
    int64_t *t;
    int64_t n;
} set;

/* Digits first to last, at most `most` of each; classes count from 0. */
static set digits(const soma_dataset *d, int64_t from, int64_t to, int first, int last, int64_t most) {
    set s = {malloc((size_t)(to - from) * PIXELS * sizeof(float)), malloc((size_t)(to - from) * sizeof(int64_t)), 0};
    int64_t counts[10] = {0}, digit;
    for (int64_t i = from; i < to; i++) {
        soma_dataset_sample(d, i, s.x + s.n * PIXELS, &digit);
        if (digit < first || digit > last || counts[digit]++ >= most) continue;
        s.t[s.n++] = digit - first;
    }
    return s;
}

static void train(soma_context *ctx, soma_module *net, const float *x, int64_t width, const int64_t *t, int64_t n, int64_t batch, int epochs,
                  double decay) {
    soma_tensor *const *params;
    size_t count;
    soma_batch b;
    soma_module_parameters(net, &params, &count);
    soma_optim *o = soma_optim_adamw(ctx, params, count, 0.003, &(soma_adamw_opts){.weight_decay = SOMA_SET(decay)});
    soma_loader *loader = soma_loader_new(ctx, soma_dataset_arrays(ctx, x, t, n, &width, 1), batch, &(soma_loader_opts){.shuffle = 1});
    for (int e = 0; e < epochs; e++)
        for (soma_loader_start(loader, e); soma_loader_next(loader, &b);) {
            soma_scope *step = soma_scope_open(ctx);
            soma_tensor *in = soma_borrow(ctx, b.inputs, SOMA_F32, SOMA_SHAPE(b.count, width)),
                        *classes = soma_borrow(ctx, b.targets, SOMA_I64, SOMA_SHAPE(b.count));
            soma_backward(soma_cross_entropy(soma_forward(net, in), classes, NULL), NULL);
            soma_optim_step(o);
            soma_optim_zero_grad(o);
            soma_scope_close(step);
        }
    fine(ctx);
}

static double accuracy(soma_context *ctx, soma_module *net, const float *x, int64_t width, const int64_t *t, int64_t n) {
    static int64_t said[DRAWN];
    soma_read(soma_argmax(soma_forward(net, soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(n, width))), 1, false), said, (size_t)n * sizeof *said);
    return soma_accuracy(said, t, n);
}

/* What the hidden layer makes of pictures. */
static float *features_of(soma_context *ctx, soma_module *hidden, set s) {
    float *f = malloc((size_t)(s.n * HIDDEN) * sizeof *f);
    soma_read(soma_forward(hidden, soma_from(ctx, s.x, SOMA_F32, SOMA_SHAPE(s.n, PIXELS))), f, (size_t)(s.n * HIDDEN) * sizeof *f);
    return f;
}

/* A softmax classifier on these features; its accuracy on the others. */
static double classify(soma_context *ctx, const float *x, const set *learn, const float *y, const set *test, int64_t width) {
    soma_manual_seed(ctx, 4);
    soma_module *net = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, width, 3, NULL)));
    train(ctx, net, x, width, learn->t, learn->n, learn->n < 32 ? learn->n : 32, 200, 0.01);
    return accuracy(ctx, net, y, width, test->t, test->n);
}

int main(int argc, char **argv) {
    static const int sizes[] = {2, 5, 10, 20, 50};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    double few[SIZES], by_pixels[SIZES] = {0}, by_features[SIZES] = {0};
    soma_context *ctx = begin(2);
    soma_dataset *d = soma_dataset_glyphs(ctx, DRAWN, &(soma_glyph_opts){.seed = 1, .noise = SOMA_SET(0.8)});
    set old = digits(d, 0, 6000, 0, 6, DRAWN), test = digits(d, 6000, DRAWN, 7, 9, TESTED);
    soma_module *hidden = soma_nn_sequential(ctx, SOMA_MODULES(soma_nn_linear(ctx, PIXELS, HIDDEN, NULL), soma_nn_relu(ctx)));
    soma_module *net = soma_nn_sequential(ctx, SOMA_MODULES(hidden, soma_nn_linear(ctx, HIDDEN, 7, NULL)));
    train(ctx, net, old.x, PIXELS, old.t, old.n, 64, 8, 0.01);
    float *tested = features_of(ctx, hidden, test);
    printf("telling 7, 8 and 9 by a softmax classifier, %d of each to measure with:\n", (int)test.n / 3);
    for (int k = 0; k < SIZES; k++) {
        few[k] = sizes[k];
        for (int draw = 0; draw < DRAWS; draw++) { /* other samples each time: few are a matter of luck */
            set learn = digits(d, 300 * draw, 6000, 7, 9, sizes[k]);
            float *features = features_of(ctx, hidden, learn);
            by_pixels[k] += 100 * classify(ctx, learn.x, &learn, test.x, &test, PIXELS) / DRAWS;
            by_features[k] += 100 * classify(ctx, features, &learn, tested, &test, HIDDEN) / DRAWS;
            free(features), free(learn.x), free(learn.t);
        }
        printf("%3d samples of each: by pixels %.1f %%, by features %.1f %%\n", sizes[k], by_pixels[k], by_features[k]);
    }
    int ahead = 1;
    for (int k = 0; k < 3; k++) ahead = ahead && by_features[k] > by_pixels[k] + 1;
    claim(ahead, "with 2, 5 and 10 samples of each digit the features of other digits are better than pixels");
    claim(by_features[2] > 85, "ten samples of each are enough for more than 85 of 100 right");
    claim(by_pixels[SIZES - 1] > by_features[SIZES - 1], "with 50 of each the pixels win: they hold what the features left out");

    plot *picture = plot_new(1, 480, 320);
    plot_panel(picture, "7, 8 and 9 from few samples", 0, 50, 50, 100, "samples of each digit", "right, in percent", 0);
    plot_legend_below(picture);
    plot_line(picture, few, by_pixels, SIZES, 0, "pixels");
    plot_line(picture, few, by_features, SIZES, 1, "features learned on 0 to 6");
    free(tested), free(old.x), free(old.t), free(test.x), free(test.t);
    finish(ctx, picture, argc, argv, "10_features");
    return 0;
}
