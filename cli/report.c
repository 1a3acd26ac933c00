/* What soma eval says: scores, and for classes the table of them. */
#include "cli.h"

#include <jansson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 12 /* classes of a confusion matrix in the terminal */

typedef struct report {
    soma_context *ctx;
    soma_model *m;
    soma_scores s;
    cli_answers a;
} report;

bool cli_answers_of(soma_context *ctx, soma_model *m, soma_dataset *data, cli_answers *r) {
    *r = (cli_answers){.n = soma_dataset_count(data), .classes = soma_model_outputs(m)};
    r->proba = malloc((size_t)(r->n * r->classes) * sizeof *r->proba);
    r->targets = malloc((size_t)r->n * sizeof *r->targets), r->predicted = malloc((size_t)r->n * sizeof *r->predicted);
    r->matrix = malloc((size_t)(r->classes * r->classes) * sizeof *r->matrix);
    if (!r->proba || !r->targets || !r->predicted || !r->matrix) return cli_fail("out of memory"), false;
    if (soma_model_predict_dataset(m, data, r->proba) != SOMA_OK) return cli_error(ctx), false;
    for (int64_t i = 0; i < r->n; i++) {
        const float *p = r->proba + i * r->classes;
        soma_dataset_sample(data, i, NULL, &r->targets[i]);
        r->predicted[i] = 0;
        for (int64_t c = 1; c < r->classes; c++)
            if (p[c] > p[r->predicted[i]]) r->predicted[i] = c;
    }
    if (soma_confusion_matrix(r->predicted, r->targets, r->n, r->classes, r->matrix) == SOMA_OK) return true;
    return cli_fail("the data has a class that the model has not"), false;
}

void cli_answers_free(cli_answers *a) { free(a->proba), free(a->targets), free(a->predicted), free(a->matrix); }

/* Of two classes that of the second one, else the mean over the classes that occur. */
static double area(const report *r) {
    double sum = 0, v;
    int64_t many = 0;
    for (int64_t c = r->a.classes == 2 ? 1 : 0; c < r->a.classes; c++)
        if (!isnan(v = soma_roc_auc(r->ctx, r->a.proba, r->a.targets, r->a.n, r->a.classes, c))) sum += v, many++;
    return many ? sum / (double)many : (double)NAN;
}

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static void say_json(const report *r) {
    json_t *root = json_pack("{s:I, s:o}", "samples", (json_int_t)r->s.samples, "loss", number(r->s.loss));
    if (soma_model_is_valued(r->m)) {
        json_object_set_new(root, "r2", number(r->s.r2));
        json_object_set_new(root, "mae", number(r->s.mae));
        json_object_set_new(root, "rmse", number(r->s.rmse));
    } else {
        json_t *classes = json_array(), *matrix = json_array();
        for (int64_t c = 0; c < r->a.classes; c++) {
            json_array_append_new(classes,
                                  json_pack("{s:s, s:o, s:o, s:o}", "class", soma_model_class_name(r->m, c), "precision",
                                            number(soma_precision(r->a.matrix, r->a.classes, c)), "recall",
                                            number(soma_recall(r->a.matrix, r->a.classes, c)), "f1", number(soma_f1(r->a.matrix, r->a.classes, c))));
            json_t *row = json_array();
            for (int64_t k = 0; k < r->a.classes; k++) json_array_append_new(row, json_integer(r->a.matrix[c * r->a.classes + k]));
            json_array_append_new(matrix, row);
        }
        json_object_set_new(root, "accuracy", number(r->s.accuracy));
        if (r->a.classes > 5) json_object_set_new(root, "top5", number(soma_top_k_accuracy(r->a.proba, r->a.targets, r->a.n, r->a.classes, 5)));
        json_object_set_new(root, "log_loss", number(soma_log_loss(r->a.proba, r->a.targets, r->a.n, r->a.classes)));
        json_object_set_new(root, "roc_auc", number(area(r)));
        json_object_set_new(root, "classes", classes);
        json_object_set_new(root, "confusion", matrix);
    }
    char *text = json_dumps(root, JSON_REAL_PRECISION(9));
    printf("%s\n", text ? text : "");
    free(text);
    json_decref(root);
}

static void say_classes(const report *r) {
    int width = 5;
    int64_t there = 0;
    for (int64_t c = 0; c < r->a.classes; c++) {
        int n = (int)strlen(soma_model_class_name(r->m, c));
        width = n > width ? n : width;
    }
    width = width > 24 ? 24 : width;
    printf("log loss %.4f", soma_log_loss(r->a.proba, r->a.targets, r->a.n, r->a.classes));
    if (isfinite(area(r)))
        printf(", area under the ROC curve %.4f%s", area(r), r->a.classes > 2 ? " (mean of the classes)" : ""); /* of one class none */
    if (r->a.classes > 5) printf(", top 5 %.2f %%", 100 * soma_top_k_accuracy(r->a.proba, r->a.targets, r->a.n, r->a.classes, 5));
    printf("\n\n%-*s  precision  recall      F1   rows", width, "class");
    bool matrix = r->a.classes <= SHOWN && width + 40 + 6 * r->a.classes < cli_columns();
    printf(matrix ? "    predicted as\n" : "\n");
    for (int64_t c = 0; c < r->a.classes; c++) {
        there = 0;
        for (int64_t k = 0; k < r->a.classes; k++) there += r->a.matrix[c * r->a.classes + k];
        printf("%-*.*s  %9.4f  %6.4f  %6.4f  %5lld", width, width, soma_model_class_name(r->m, c), soma_precision(r->a.matrix, r->a.classes, c),
               soma_recall(r->a.matrix, r->a.classes, c), soma_f1(r->a.matrix, r->a.classes, c), (long long)there);
        for (int64_t k = 0; matrix && k < r->a.classes; k++) printf(k ? "%6lld" : "   %6lld", (long long)r->a.matrix[c * r->a.classes + k]);
        printf("\n");
    }
}

int cli_report(soma_context *ctx, soma_model *m, soma_dataset *test, bool json) {
    report r = {.ctx = ctx, .m = m};
    char score[80];
    int status = CLI_FAILED;
    if (soma_model_score(m, test, &r.s) != SOMA_OK) cli_error(ctx);
    else if (soma_model_is_valued(m) || cli_answers_of(ctx, m, test, &r.a)) {
        status = CLI_FINE;
        cli_score_text(score, sizeof score, r.s.accuracy, r.s.r2, r.s.mae);
        if (json) say_json(&r);
        else {
            printf("%s, ", score);
            if (soma_model_is_valued(m)) printf("root mean squared error %.4g, ", r.s.rmse);
            printf("loss %.4f on %lld samples\n", r.s.loss, (long long)r.s.samples);
            if (!soma_model_is_valued(m)) say_classes(&r);
        }
    }
    cli_answers_free(&r.a);
    return status;
}
