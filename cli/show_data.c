/* soma show: how a model does on its test data, and what its training data look like. */
#include "show.h"

#include <math.h>
#include <stdlib.h>

/* The test data with the model's answers; false when it said why not. */
static bool answers_of(cli_shown *s, const char *option, soma_dataset **data, cli_answers *a) {
    *a = (cli_answers){0};
    if (soma_model_is_valued(s->m)) return cli_fail("%s: the model predicts a number, no class", option), false;
    return (*data = cli_shown_test(s)) && cli_answers_of(s->ctx, s->m, *data, a);
}

bool cli_show_confusion(cli_shown *s) {
    soma_dataset *data;
    cli_answers a;
    int64_t right = 0;
    bool fine = answers_of(s, "--confusion", &data, &a);
    cli_matrix *m = fine ? soma_scope_memory(s->ctx, sizeof *m) : NULL;
    int64_t *counts = fine ? soma_scope_memory(s->ctx, (size_t)(a.classes * a.classes) * sizeof *counts) : NULL;
    const char **names = fine ? soma_scope_memory(s->ctx, (size_t)a.classes * sizeof *names) : NULL;
    for (int64_t k = 0; counts && k < a.classes * a.classes; k++) counts[k] = a.matrix[k];
    for (int64_t c = 0; names && counts && c < a.classes; c++) names[c] = soma_model_class_name(s->m, c), right += counts[c * a.classes + c];
    cli_block *b = m && counts && names
                       ? cli_figure_add(&s->figure, 0, 0, "%lld of %lld right (%.2f %%); rows: what it is, columns: what the model says",
                                        (long long)right, (long long)a.n, 100 * (double)right / (double)a.n)
                       : NULL;
    if (b) *m = (cli_matrix){a.classes, counts, names}, b->matrix = m;
    cli_answers_free(&a);
    return fine && (b || cli_error(s->ctx) == CLI_FINE);
}

/* A mistake. */
typedef struct mistake {
    int64_t i;
    float loss;
} mistake;
static int worse(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    return x->loss > y->loss ? -1 : x->loss < y->loss ? 1 : x->i < y->i ? -1 : 1;
}

/* All of them, the worst first; *n of them. NULL with the error pending. */
static mistake *mistakes_of(cli_shown *s, soma_dataset *data, const cli_answers *a, int64_t *n) {
    float *losses = soma_scope_memory(s->ctx, (size_t)a->n * sizeof *losses);
    mistake *list = soma_scope_memory(s->ctx, (size_t)a->n * sizeof *list);
    *n = 0;
    if (!losses || !list || soma_model_losses(s->m, data, losses) != SOMA_OK) return NULL;
    for (int64_t i = 0; i < a->n; i++)
        if (a->targets[i] != a->predicted[i]) list[(*n)++] = (mistake){i, losses[i] == losses[i] ? losses[i] : (float)INFINITY};
    qsort(list, (size_t)*n, sizeof *list, worse);
    return list;
}

/* Sample i as a picture, as an epoch has it; NULL with the error pending. */
static soma_image *sample_image(soma_context *ctx, const soma_dataset *d, int64_t epoch, int64_t i, int64_t *class) {
    const soma_picture_info *info = soma_dataset_pictures(d);
    const int64_t *shape;
    int64_t ndim;
    soma_dataset_shape(d, &shape, &ndim);
    float *x = soma_scope_memory(ctx, (size_t)(info->channels * shape[ndim - 2] * shape[ndim - 1]) * sizeof *x);
    if (!x || soma_dataset_raw(d, epoch, i, x, class) != SOMA_OK) return NULL;
    return cli_sample_image(ctx, x, info->channels, shape[ndim - 2], shape[ndim - 1]);
}

bool cli_show_mistakes(cli_shown *s) {
    soma_dataset *data = NULL;
    cli_answers a = {0};
    int64_t n = 0, most = s->most ? s->most : 24;
    bool fine = answers_of(s, "--mistakes", &data, &a);
    if (fine && !soma_dataset_pictures(data)) fine = cli_fail("--mistakes: the data is no pictures; soma predict lists answers") == CLI_FINE;
    const mistake *list = fine ? mistakes_of(s, data, &a, &n) : NULL;
    if (fine && !list) fine = cli_error(s->ctx) == CLI_FINE;
    most = most < n ? most : n;
    cli_block *b = !fine ? NULL
                   : n   ? cli_figure_add(&s->figure, 96, 20, "the %lld worst of %lld mistakes with %lld samples, by their loss", (long long)most,
                                          (long long)n, (long long)a.n)
                         : cli_figure_add(&s->figure, 96, 20, "no mistakes with %lld samples", (long long)a.n);
    for (int64_t k = 0; b && list && k < most; k++) {
        char is[100], said[100];
        int64_t i = list[k].i;
        snprintf(is, sizeof is, "is %.60s", soma_model_class_name(s->m, a.targets[i]));
        snprintf(said, sizeof said, "said %.0f %% %.60s", 100 * (double)a.proba[i * a.classes + a.predicted[i]],
                 soma_model_class_name(s->m, a.predicted[i]));
        cli_block_put(&s->figure, b, sample_image(s->ctx, data, 0, i, NULL), is, said);
    }
    cli_answers_free(&a);
    return fine && (soma_error_status(s->ctx) == SOMA_OK || cli_error(s->ctx) == CLI_FINE);
}

bool cli_show_augmented(cli_shown *s) {
    enum { EPOCHS = 8 };
    soma_dataset *d = cli_part(s->ctx, s->recipe, s->model, s->data, true);
    if (!d) return false;
    if (!soma_dataset_pictures(d)) return cli_fail("--augmented: the data is no pictures"), false;
    int64_t count = soma_dataset_count(d), rows = s->most ? s->most : EPOCHS;
    rows = rows < count ? rows : count;
    cli_block *b = cli_figure_add(&s->figure, 96, 24, "samples to learn from: a row for each, a column for each of %d epochs", EPOCHS);
    if (b) b->columns = EPOCHS;
    for (int64_t k = 0; b && k < rows * EPOCHS; k++) {
        int64_t class = 0, i = k / EPOCHS * (count / rows);
        const soma_image *picture = sample_image(s->ctx, d, k % EPOCHS, i, &class);
        cli_block_put(&s->figure, b, picture, k % EPOCHS || soma_dataset_is_valued(d) ? NULL : soma_model_class_name(s->m, class), NULL);
    }
    return soma_error_status(s->ctx) == SOMA_OK || cli_error(s->ctx) == CLI_FINE;
}
