/* How good predictions are: the metrics of scikit-learn, under its names. Classes are numbers from 0. What cannot be computed (NULL, a
 * class outside, no samples) is NaN. */
#ifndef SOMA_METRICS_H
#define SOMA_METRICS_H

#include "soma/context.h"

/* Share of n predictions that are the target. NaN for none. */
SOMA_API double soma_accuracy(const int64_t *predicted, const int64_t *targets, int64_t n);
/* Share of rows whose target is among the k largest scores [n, classes]; of equal scores the lower class counts as larger. NaN for none. */
SOMA_API double soma_top_k_accuracy(const float *scores, const int64_t *targets, int64_t n, int64_t classes, int64_t k);
/* matrix [classes, classes]: how often a target (row) was predicted as a class (column). SOMA_ERROR_RANGE for a class outside. */
SOMA_API soma_status soma_confusion_matrix(const int64_t *predicted, const int64_t *targets, int64_t n, int64_t classes, int64_t *matrix);
/* Of a class, from the matrix: predicted rightly / predicted; rightly / there; their harmonic mean; 0 where nothing is divided by (zero_division=0).
 */
SOMA_API double soma_precision(const int64_t *matrix, int64_t classes, int64_t class_number);
SOMA_API double soma_recall(const int64_t *matrix, int64_t classes, int64_t class_number);
SOMA_API double soma_f1(const int64_t *matrix, int64_t classes, int64_t class_number);
/* Mean of -log of the target's probability; probabilities [n, classes] are raised to 2^-52 at least, scikit-learn's bound. NaN for none. */
SOMA_API double soma_log_loss(const float *probabilities, const int64_t *targets, int64_t n, int64_t classes);
/* Area under the receiver's curve: the probability that a row of class `positive` has a larger score (in column `positive` of [n, classes]) than
 * another row, ties counting half. NaN where either kind is missing; with the error pending when out of memory. */
SOMA_API double soma_roc_auc(soma_context *ctx, const float *scores, const int64_t *targets, int64_t n, int64_t classes, int64_t positive);
/* Of numbers: mean absolute error, root of the mean squared error, and 1 - squared errors / squared distances to the mean (NaN without a spread). */
SOMA_API double soma_mean_absolute_error(const float *predicted, const float *targets, int64_t n);
SOMA_API double soma_root_mean_squared_error(const float *predicted, const float *targets, int64_t n);
SOMA_API double soma_r2(const float *predicted, const float *targets, int64_t n);

#endif
