/* soma train --folds: the same recipe on each part of a cross-validation. Nothing is written. */
#include "cli.h"

#include <math.h>
#include <string.h>

/* Mean, and the deviation of the folds (n - 1). */
static void mean_of(const double *v, int n, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += v[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) squares += (v[i] - *mean) * (v[i] - *mean);
    *deviation = n > 1 ? sqrt(squares / (n - 1)) : 0;
}

static bool one_fold(soma_context *ctx, const char *path, const cli_list *sets, const char *data, const volatile int *stop, int fold, int folds,
                     soma_train_result *out) {
    char room[2][48];
    cli_list all = *sets;
    cli_recipe r;
    snprintf(room[0], sizeof room[0], "data.folds=%d", folds);
    snprintf(room[1], sizeof room[1], "data.fold=%d", fold);
    if (all.n + 2 > CLI_MOST) return cli_fail("too many of --set"), false;
    all.texts[all.n++] = room[0], all.texts[all.n++] = room[1];
    if (!cli_recipe_read(ctx, path, &all, &r)) return false;
    size_t problems = soma_recipe_problem_count(r.recipe);
    soma_scope *scope = soma_scope_open(ctx);
    soma_status s = soma_train(r.recipe, out, &(soma_train_opts){.data = data, .stop = stop});
    if (s != SOMA_OK && soma_recipe_problem_count(r.recipe) > problems) cli_recipe_complain(&r, problems);
    else if (s != SOMA_OK) cli_error(ctx);
    if (scope) soma_scope_close(scope);
    cli_recipe_close(&r);
    return s == SOMA_OK;
}

int cli_folds(soma_context *ctx, const char *path, const cli_list *sets, const char *data, int folds, const volatile int *stop) {
    enum { MOST = 1000 };
    static double score[MOST], error[MOST];
    double mean, deviation;
    if (folds < 2 || folds > MOST) return cli_fail("--folds: 2 to %d", MOST);
    for (int i = 0; i < folds; i++) {
        soma_train_result r;
        char text[80];
        if (!one_fold(ctx, path, sets, data, stop, i, folds, &r)) return CLI_FAILED;
        if (r.stopped) return cli_fail("stopped in fold %d of %d", i + 1, folds);
        bool valued = isnan(r.accuracy);
        score[i] = valued ? r.r2 : 100 * r.accuracy, error[i] = r.mae;
        cli_score_text(text, sizeof text, r.accuracy, r.r2, r.mae);
        printf("fold %d of %d: %s\n", i + 1, folds, text);
        fflush(stdout);
        if (i + 1 < folds) continue;
        mean_of(score, folds, &mean, &deviation);
        if (valued) {
            double mean_error, other;
            mean_of(error, folds, &mean_error, &other);
            printf("R2 %.4f +- %.4f, mean absolute error %.4g +- %.2g over %d folds\n", mean, deviation, mean_error, other, folds);
        } else printf("accuracy %.2f %% +- %.2f over %d folds\n", mean, deviation, folds);
    }
    return CLI_FINE;
}
