/* Chapter 1: Rosenblatt's perceptron learns AND, OR and NAND by his rule, and cannot learn XOR. */
#include "support/chapter.h"

static const float corners[8] = {0, 0, 0, 1, 1, 0, 1, 1};
static const struct {
    const char *name;
    int64_t classes[4];
} gates[] = {{"AND", {0, 0, 0, 1}}, {"OR", {0, 1, 1, 1}}, {"NAND", {1, 1, 1, 0}}, {"XOR", {0, 1, 1, 0}}};

/* 1 where the weighted sum is above 0. */
static double side(void *perceptron, double x, double y) {
    const float point[2] = {(float)x, (float)y};
    return (double)soma_perceptron_predict(perceptron, point);
}

static void draw(plot *picture, int gate, soma_perceptron *p) {
    double x[4], y[4];
    plot_panel(picture, gates[gate].name, -0.5, 1.5, -0.5, 1.5, "x1", "x2", 0);
    if (p->converged) plot_field(picture, side, p);
    for (int class = 0; class < 2; class ++) {
        int n = 0;
        for (int i = 0; i < 4; i++)
            if (gates[gate].classes[i] == class) x[n] = (double)corners[2 * i], y[n++] = (double)corners[2 * i + 1];
        plot_points(picture, x, y, n, class, class ? "1" : "0");
    }
}

int main(int argc, char **argv) {
    soma_context *ctx = begin(1);
    plot *picture = plot_new(4, 250, 270);
    for (int g = 0; g < 4; g++) {
        soma_perceptron p;
        soma_separability s;
        char sentence[160];
        soma_perceptron_fit(ctx, corners, gates[g].classes, 4, 2, &p, &(soma_perceptron_opts){.max_epochs = 100});
        soma_separable(ctx, corners, gates[g].classes, 4, 2, &s);
        fine(ctx);
        if (g < 3) {
            printf("%-4s  %d epochs, %d mistakes (Novikoff: at most %.0f): class 1 where %g x1 %+g x2 %+g > 0\n", gates[g].name, (int)p.epochs,
                   (int)p.mistakes, s.bound, p.weights[0], p.weights[1], p.bias);
            snprintf(sentence, sizeof sentence, "%s is learned without a mistake left, within Novikoff's bound", gates[g].name);
            claim(p.converged && p.wrong == 0 && s.separable && (double)p.mistakes <= s.bound, sentence);
        } else {
            printf("XOR   after %d epochs %d of 4 are wrong\n", (int)p.epochs, (int)p.wrong);
            claim(!p.converged && !s.separable, "XOR is not learned: no line parts its classes");
            claim(fabs(s.proof[0] - 0.25) < 1e-9 && fabs(s.proof[3] - 0.25) < 1e-9, "because the middle of its zeros is the middle of its ones");
        }
        draw(picture, g, &p);
    }
    finish(ctx, picture, argc, argv, "01_perceptron");
    return 0;
}
