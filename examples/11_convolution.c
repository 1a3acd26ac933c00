/* Chapter 11: what a convolution does. A filter made by hand finds edges, and one that is learned from examples becomes the same; pooling makes
 * shifts matter less; and a net of a few filters knows digits that were moved, which a net with seven times its weights does not. */
#include "support/chapter.h"

#include <string.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, INNER = SIDE - 2, LEARN = 3000, TEST = 500, FILTERS = 8, FINE = SIDE - 4 };
enum { PAIRS = 50, STEPS = 200, LOOKS = 4, FAR = 5, POOLS = 3, NETS = 2, HEIGHT = 340, WIDTH = 332 }; /* the square within a panel is 260 wide */

static const float sobel[2][9] = {{-1, 0, 1, -2, 0, 2, -1, 0, 1}, {-1, -2, -1, 0, 0, 0, 1, 2, 1}}; /* for upright edges, for lying ones */
static float pictures[LEARN + TEST][PIXELS], moved[TEST][PIXELS];
static int64_t digits[LEARN + TEST];

static soma_tensor *images(soma_context *ctx, const float *x, int64_t n) { return soma_from(ctx, x, SOMA_F32, SOMA_SHAPE(n, 1, SIDE, SIDE)); }
static soma_tensor *edges(soma_context *ctx, const float *x, int64_t n, int which) {
    return soma_conv2d(images(ctx, x, n), soma_from(ctx, sobel[which], SOMA_F32, SOMA_SHAPE(1, 1, 3, 3)), NULL, NULL);
}

/* The test pictures moved to the right and down, with nothing where they were. */
static void move(int right, int down) {
    memset(moved, 0, sizeof moved);
    for (int n = 0; n < TEST; n++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                if (y - down >= 0 && y - down < SIDE && x - right >= 0 && x - right < SIDE)
                    moved[n][y * SIDE + x] = pictures[LEARN + n][(y - down) * SIDE + x - right];
}

static int64_t weights_of(soma_module *m) {
    soma_tensor *const *params;
    size_t count;
    int64_t n = 0;
    soma_module_parameters(m, &params, &count);
    for (size_t i = 0; i < count; i++) n += soma_numel(params[i]);
    return n;
}

/* 1: by hand. */

static void draw_kernel(plot *p, double x, double y, double width, const float *w, const char *format) {
    plot_image(p, x, y, width, w, 3, 3, 3, 1);
    for (int i = 0; i < 9; i++) {
        char text[16];
        snprintf(text, sizeof text, format, fabs((double)w[i]) < 0.05 ? 0 : (double)w[i]);
        int row = i / 3, column = i % 3;
        plot_text(p, x + width * (column + 0.5) / 3, y - width * (row + 0.5) / 3, text);
    }
}

/* One pixel with a pencil, all of them with soma, and the picture of it. */
static void by_hand(soma_context *ctx, plot *p, const float *picture) {
    static const char *const names[] = {"picture", "filter", "feature map", "pooled"};
    float bytes[PIXELS], map[INNER * INNER], pooled[INNER * INNER / 4], sum = 0;
    int least = 0, most = 0, flat = 1;
    for (int i = 0; i < PIXELS; i++) bytes[i] = roundf(255 * picture[i]);
    plot_blank(p, "Sobel's filters");
    plot_image(p, -0.2, 0.68, 0.28, picture, SIDE, SIDE, 1, 0);
    for (int k = 1; k >= 0; k--) {
        double top = k ? 0.45 : 0.95;
        soma_tensor *found = edges(ctx, bytes, 1, k);
        soma_read(found, map, sizeof map);
        soma_read(soma_max_pool2d(found, 2, NULL, NULL), pooled, sizeof pooled);
        draw_kernel(p, 0.14, top - 0.01, 0.24, sobel[k], "%g");
        plot_image(p, 0.45, top, 0.26, map, INNER, INNER, 1020, 1);
        plot_image(p, 0.78, top, 0.26, pooled, INNER / 2, INNER / 2, 1020, 1);
    }
    for (int i = 0; i < 4; i++) plot_text(p, i ? 0.26 + 0.32 * (i - 1) + (i == 3 ? 0.01 : 0) : -0.06, i ? 0.1 : 0.34, names[i]);
    for (int i = 0; i < INNER * INNER; i++) least = map[i] < map[least] ? i : least, most = map[i] > map[most] ? i : most;
    int y = most / INNER
    , x = most % INNER;
    for (int i = 0; i < 9; i++) sum += sobel[0][i] * bytes[(y + i / 3) * SIDE + x + i % 3];
    printf("pixel (%d, %d): nine products make %g; soma says %g\n", x, y, (double)sum, (double)map[most]);
    claim(sum == map[most], "nine products, added by hand, are exactly what soma_conv2d gives for a pixel");
    claim(map[most] > 500 && map[least] < -500, "the filter says more than 500 at left edges of the ink, less than -500 at right ones");
    for (int i = 0; i < INNER; i++) flat = flat && map[i] == 0; /* the uppermost row: paper alone */
    claim(flat, "on even paper it says 0");
}

/* 2: learned. */

/* A filter of nine random weights sees pictures and what Sobel's makes of them. */
static void imitate(soma_context *ctx, plot *p) {
    static const int looks[LOOKS] = {0, 20, 50, 150};
    static double steps[STEPS + 1], far[STEPS + 1];
    soma_tensor *const *params;
    size_t n;
    soma_module *filter = soma_nn_conv2d(ctx, 1, 1, 3, NULL);
    soma_module_parameters(filter, &params, &n);
    soma_optim *o = soma_optim_sgd(ctx, params, n, 0.5, &(soma_sgd_opts){.momentum = 0.9});
    soma_tensor *x = images(ctx, pictures[0], PAIRS), *wanted = soma_keep(edges(ctx, pictures[0], PAIRS, 0));
    plot_blank(p, "a filter that learns");
    for (int s = 0, look = 0; s <= STEPS; s++) {
        float w[9];
        char text[32];
        soma_scope *step = soma_scope_open(ctx);
        soma_read(params[0], w, sizeof w);
        for (int i = 0; i < 9; i++) far[s] = fmax(far[s], fabs((double)(w[i] - sobel[0][i])));
        steps[s] = s;
        if (look < LOOKS && s == looks[look]) {
            int row = look / 2, column = look % 2;
            double left = column * 0.54, top = 0.98 - row * 0.52;
            snprintf(text, sizeof text, s ? "after %d steps" : "at first", s);
            draw_kernel(p, left, top, 0.4, w, "%.1f");
            plot_text(p, left + 0.2, top - 0.45, text);
            look++;
        }
        soma_backward(soma_mse_loss(soma_forward(filter, x), wanted, NULL), NULL);
        soma_optim_step(o);
        soma_optim_zero_grad(o);
        soma_scope_close(step);
    }
    fine(ctx);
    printf("farthest weight of the learned filter from Sobel's: at first %.2f, at last %.6f\n", far[0], far[STEPS]);
    claim(far[0] > 1 && far[STEPS] < 1e-3, "random weights, trained on pairs of pictures alone, become Sobel's filter to within 0.001");
    plot_panel(p, "its distance from Sobel's", 0, STEPS, 1e-5, 10, "step", "farthest weight", 1);
    plot_line(p, steps, far, STEPS + 1, 0, NULL);
}

/* 3: pooling. */

/* How much numbers change when pictures move: the difference as a share of what was there. */
static void pool(soma_context *ctx, plot *p) {
    static const char *const names[POOLS] = {"feature map", "pooled by 2", "pooled by 4"};
    double pixels[FAR], change[POOLS][FAR];
    for (int s = 0; s < FAR; s++) {
        move(s, 0);
        soma_tensor *before = edges(ctx, pictures[LEARN], TEST, 0), *after = edges(ctx, moved[0], TEST, 0);
        for (int k = 0; k < POOLS; k++) {
            double there, gone;
            soma_tensor *a = soma_max_pool2d(before, 1 << k, NULL, NULL), *b = soma_max_pool2d(after, 1 << k, NULL, NULL);
            soma_item(soma_sum(soma_square(a), NULL), &there);
            soma_item(soma_sum(soma_square(soma_sub(a, b)), NULL), &gone);
            change[k][s] = 100 * sqrt(gone / there);
        }
        pixels[s] = s;
    }
    for (int k = 0; k < POOLS; k++) printf("moved by a pixel: %s changes by %.0f %%\n", names[k], change[k][1]);
    claim(change[0][1] > 90 && change[1][1] < 0.9 * change[0][1] && change[2][1] < 0.5 * change[0][1],
          "a shift of one pixel changes the feature map by more than 90 percent, what was pooled by 4 by less than half as much");
    plot_panel(p, "what a shift changes", 0, FAR - 1, 0, 250, "pixels that the picture moves", "change, in percent", 0);
    for (int k = 0; k < POOLS; k++) plot_line(p, pixels, change[k], FAR, k, names[k]);
}

/* 4: few weights. */

static void train(soma_context *ctx, soma_module *net) {
    soma_tensor *const *params;
    size_t count;
    soma_batch b;
    soma_module_parameters(net, &params, &count);
    soma_optim *o = soma_optim_adam(ctx, params, count, 0.003, NULL);
    soma_dataset *d = soma_dataset_arrays(ctx, pictures[0], digits, LEARN, (int64_t[]){1, SIDE, SIDE}, 3);
    soma_loader *loader = soma_loader_new(ctx, d, 64, &(soma_loader_opts){.shuffle = 1});
    for (int e = 0; e < 6; e++)
        for (soma_loader_start(loader, e); soma_loader_next(loader, &b);) {
            soma_scope *step = soma_scope_open(ctx);
            soma_tensor *in = soma_borrow(ctx, b.inputs, SOMA_F32, SOMA_SHAPE(b.count, 1, SIDE, SIDE)),
                        *classes = soma_borrow(ctx, b.targets, SOMA_I64, SOMA_SHAPE(b.count));
            soma_backward(soma_cross_entropy(soma_forward(net, in), classes, NULL), NULL);
            soma_optim_step(o);
            soma_optim_zero_grad(o);
            soma_scope_close(step);
        }
    fine(ctx);
}

/* Right answers in percent for digits moved left, right, up and down by so many pixels. */
static double accuracy(soma_context *ctx, soma_module *net, int far) {
    static const int ways[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    int64_t said[TEST];
    double sum = 0;
    for (int k = 0; k < (far ? 4 : 1); k++) {
        soma_scope *scope = soma_scope_open(ctx);
        move(far * ways[k][0], far * ways[k][1]);
        soma_read(soma_argmax(soma_forward(net, images(ctx, moved[0], TEST)), 1, false), said, sizeof said);
        sum += soma_accuracy(said, digits + LEARN, TEST);
        soma_scope_close(scope);
    }
    return 100 * sum / (far ? 4 : 1);
}

static void draw_filters(soma_context *ctx, plot *p, soma_module *first, const float *picture) {
    float w[FILTERS][25], maps[FILTERS][FINE * FINE];
    double strongest = 0, most = 0;
    soma_tensor *const *params;
    size_t n;
    soma_module_parameters(first, &params, &n);
    soma_read(params[0], w, sizeof w);
    soma_read(soma_relu(soma_forward(first, images(ctx, picture, 1))), maps, sizeof maps);
    for (int i = 0; i < FILTERS * 25; i++) strongest = fmax(strongest, fabs((double)w[i / 25][i % 25]));
    for (int i = 0; i < FILTERS * FINE * FINE; i++) most = fmax(most, (double)maps[i / (FINE * FINE)][i % (FINE * FINE)]);
    plot_blank(p, "eight learned filters, and their maps");
    for (int k = 0; k < FILTERS; k++) {
        int row = k / 4, column = k % 4;
        double left = column * 0.28 - 0.07, top = 1 - row * 0.54;
        plot_image(p, left, top, 0.22, w[k], 5, 5, strongest, 1);
        plot_image(p, left, top - 0.24, 0.22, maps[k], FINE, FINE, most, 0);
    }
}

static void compare(soma_context *ctx, plot *p, const float *picture) {
    static const char *const names[NETS] = {"convolutions", "linear layers"};
    double pixels[FAR], right[NETS][FAR];
    soma_manual_seed(ctx, 5);
    soma_module *first = soma_nn_conv2d(ctx, 1, FILTERS, 5, NULL);
    soma_module *nets[NETS] = {
        soma_nn_sequential(ctx, SOMA_MODULES(first, soma_nn_relu(ctx), soma_nn_max_pool2d(ctx, 2, NULL), soma_nn_conv2d(ctx, FILTERS, 32, 5, NULL),
                                             soma_nn_relu(ctx), soma_nn_adaptive_max_pool2d(ctx, (int64_t[]){1}, 1), soma_nn_flatten(ctx),
                                             soma_nn_linear(ctx, 32, 10, NULL))),
        soma_nn_sequential(
            ctx, SOMA_MODULES(soma_nn_flatten(ctx), soma_nn_linear(ctx, PIXELS, 64, NULL), soma_nn_relu(ctx), soma_nn_linear(ctx, 64, 10, NULL)))};
    for (int k = 0; k < NETS; k++) {
        train(ctx, nets[k]);
        for (int s = 0; s < FAR; s++) pixels[s] = s, right[k][s] = accuracy(ctx, nets[k], s);
        printf("%s: %d weights; right %.1f %%, moved by 1, 2, 3, 4 pixels %.1f, %.1f, %.1f, %.1f %%\n", names[k], (int)weights_of(nets[k]),
               right[k][0], right[k][1], right[k][2], right[k][3], right[k][4]);
    }
    claim(right[0][0] > 98 && right[1][0] > 98, "both nets get more than 98 of 100 digits right");
    claim(weights_of(nets[1]) > 7 * weights_of(nets[0]) && right[0][3] > 85 && right[1][3] < 60,
          "moved by three pixels, the net with a seventh of the weights still gets more than 85 right, the other one less than 60");
    draw_filters(ctx, p, first, picture);
    pool(ctx, p);
    plot_panel(p, "digits that were moved", 0, FAR - 1, 0, 100, "pixels that the digit moves", "right, in percent", 0);
    plot_legend_below(p);
    for (int k = 0; k < NETS; k++) plot_line(p, pixels, right[k], FAR, k, names[k]);
}

int main(int argc, char **argv) {
    soma_context *ctx = begin(3);
    soma_dataset *d = soma_dataset_glyphs(ctx, LEARN + TEST, &(soma_glyph_opts){.seed = 3});
    for (int i = 0; i < LEARN + TEST; i++) soma_dataset_sample(d, i, pictures[i], &digits[i]);
    float shown[PIXELS];
    int64_t digit;
    soma_dataset *clean = soma_dataset_glyphs(ctx, 100, &(soma_glyph_opts){.seed = 3, .noise = SOMA_SET(0)});
    for (int i = 0, fours = 0; fours < 3; i++) { /* the third 4 is a good-looking one */
        soma_dataset_sample(clean, i, shown, &digit);
        fours += digit == 4;
    }

    plot *picture = plot_new(3, WIDTH, HEIGHT);
    by_hand(ctx, picture, shown);
    imitate(ctx, picture);
    int64_t few = weights_of(soma_nn_conv2d(ctx, 1, FILTERS, 3, NULL)),
            many = weights_of(soma_nn_linear(ctx, PIXELS, (int64_t)FILTERS * INNER * INNER, NULL));
    printf("weights: convolution %d, linear %d\n", (int)few, (int)many);
    claim(few == 80 && many == 4245280, "eight filters of 3 x 3 are 80 weights, a linear layer with as many results is 4,245,280");
    plot *nets = plot_new(3, WIDTH, HEIGHT);
    compare(ctx, nets, shown);
    plot_save(nets, argc > 1 ? argv[1] : ".", "11_convolution_nets"); /* where this one cannot be written, the next one cannot either */
    finish(ctx, picture, argc, argv, "11_convolution");
    return 0;
}
