#include "soma/metrics.h"

#include "base/alloc.h"
#include "base/fpmode.h"
#include "base/math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double soma_accuracy(const int64_t *predicted, const int64_t *targets, int64_t n) {
    int64_t right = 0;
    if (!predicted || !targets) return (double)NAN;
    for (int64_t i = 0; i < n; i++) right += predicted[i] == targets[i];
    return n > 0 ? (double)right / (double)n : (double)NAN;
}

double soma_top_k_accuracy(const float *scores, const int64_t *targets, int64_t n, int64_t classes, int64_t k) {
    int64_t right = 0;
    if (!scores || !targets || classes < 1) return (double)NAN;
    for (int64_t i = 0; i < n; i++) {
        int64_t t = targets[i], before = 0;
        if (t < 0 || t >= classes) continue;
        const float *row = scores + i * classes;
        for (int64_t c = 0; c < classes; c++) before += row[c] > row[t] || (c < t && row[c] == row[t]);
        right += before < k;
    }
    return n > 0 ? (double)right / (double)n : (double)NAN;
}

soma_status soma_confusion_matrix(const int64_t *predicted, const int64_t *targets, int64_t n, int64_t classes, int64_t *matrix) {
    if (!predicted || !targets || !matrix || n < 0 || classes < 1) return SOMA_ERROR_ARGUMENT;
    memset(matrix, 0, (size_t)(classes * classes) * sizeof *matrix);
    for (int64_t i = 0; i < n; i++) {
        if (predicted[i] < 0 || predicted[i] >= classes || targets[i] < 0 || targets[i] >= classes) return SOMA_ERROR_RANGE;
        matrix[targets[i] * classes + predicted[i]]++;
    }
    return SOMA_OK;
}

static double ratio(int64_t a, int64_t b) { return b ? (double)a / (double)b : 0; }
static int64_t column(const int64_t *matrix, int64_t classes, int64_t c) {
    int64_t sum = 0;
    for (int64_t i = 0; i < classes; i++) sum += matrix[i * classes + c];
    return sum;
}
static int64_t row(const int64_t *matrix, int64_t classes, int64_t c) {
    int64_t sum = 0;
    for (int64_t i = 0; i < classes; i++) sum += matrix[c * classes + i];
    return sum;
}

static bool has(const int64_t *m, int64_t classes, int64_t c) { return m && c >= 0 && c < classes; }
double soma_precision(const int64_t *m, int64_t classes, int64_t c) {
    return has(m, classes, c) ? ratio(m[c * classes + c], column(m, classes, c)) : (double)NAN;
}
double soma_recall(const int64_t *m, int64_t classes, int64_t c) {
    return has(m, classes, c) ? ratio(m[c * classes + c], row(m, classes, c)) : (double)NAN;
}
double soma_f1(const int64_t *m, int64_t classes, int64_t c) {
    return has(m, classes, c) ? ratio(2 * m[c * classes + c], column(m, classes, c) + row(m, classes, c)) : (double)NAN;
}

double soma_log_loss(const float *probabilities, const int64_t *targets, int64_t n, int64_t classes) {
    double sum = 0;
    if (!probabilities || !targets) return (double)NAN;
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t i = 0; i < n; i++) {
        double p = targets[i] >= 0 && targets[i] < classes ? (double)probabilities[i * classes + targets[i]] : 0;
        sum -= soma__log(p > 0x1p-52 ? p : 0x1p-52);
    }
    sum = n > 0 ? sum / (double)n : (double)NAN;
    soma__fpmode_leave(mode);
    return sum;
}

typedef struct scored {
    float score;
    bool positive;
} scored;
static int by_score(const void *a, const void *b) {
    float x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return x < y ? -1 : x > y;
}

/* Mann and Whitney's statistic from the ranks. */
double soma_roc_auc(soma_context *ctx, const float *scores, const int64_t *targets, int64_t n, int64_t classes, int64_t positive) {
    if (!ctx || !scores || !targets || n < 0 || positive < 0 || positive >= classes) return (double)NAN;
    for (int64_t i = 0; i < n; i++)
        if (isnan(scores[i * classes + positive])) return (double)NAN;
    const soma_allocator *alloc = soma_context_allocator(ctx);
    size_t bytes = (size_t)(n > 0 ? n : 1) * sizeof(scored);
    scored *s = soma__alloc(alloc, bytes);
    if (!s) return soma_error_raise(ctx, SOMA_ERROR_MEMORY, "out of memory"), (double)NAN;
    for (int64_t i = 0; i < n; i++) s[i] = (scored){scores[i * classes + positive], targets[i] == positive};
    qsort(s, (size_t)n, sizeof *s, by_score);
    double ranks = 0, many = 0;
    for (int64_t from = 0, to; from < n; from = to) {
        int64_t here = 0;
        for (to = from; to < n && s[to].score == s[from].score; to++) here += s[to].positive;
        ranks += (double)here * ((double)(from + to + 1) / 2), many += (double)here;
    }
    soma__free(alloc, s, bytes);
    double others = (double)n - many;
    return many > 0 && others > 0 ? (ranks - many * (many + 1) / 2) / (many * others) : (double)NAN;
}

double soma_mean_absolute_error(const float *predicted, const float *targets, int64_t n) {
    double sum = 0;
    if (!predicted || !targets) return (double)NAN;
    for (int64_t i = 0; i < n; i++) sum += fabs((double)predicted[i] - (double)targets[i]);
    return n > 0 ? sum / (double)n : (double)NAN;
}

double soma_root_mean_squared_error(const float *predicted, const float *targets, int64_t n) {
    double sum = 0;
    if (!predicted || !targets) return (double)NAN;
    for (int64_t i = 0; i < n; i++) sum += ((double)predicted[i] - (double)targets[i]) * ((double)predicted[i] - (double)targets[i]);
    return n > 0 ? sqrt(sum / (double)n) : (double)NAN;
}

double soma_r2(const float *predicted, const float *targets, int64_t n) {
    double mean = 0, spread = 0, errors = 0;
    if (!predicted || !targets) return (double)NAN;
    for (int64_t i = 0; i < n; i++) mean += (double)targets[i] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)targets[i] - mean, e = (double)predicted[i] - (double)targets[i];
        spread += d * d, errors += e * e;
    }
    return spread > 0 ? 1 - errors / spread : (double)NAN;
}
