/* What data sets of pictures have in common: statistics, normalisation, digests; and CIFAR-10's files. */
#include "data/dataset.h"

#include "base/file.h"
#include "base/fpmode.h"
#include "base/hash.h"

#include <math.h>
#include <string.h>

const soma_picture_info *soma_dataset_pictures(const soma_dataset *d) { return d && d->pictures.height ? &d->pictures : NULL; }
const char *soma_dataset_file(const soma_dataset *d, int64_t i) { return d && d->files && i >= 0 && i < d->count ? d->files[i] : NULL; }
const char *soma_dataset_note(const soma_dataset *d, int64_t i) { return d && i >= 0 && i < d->n_notes ? d->notes[i] : NULL; }

uint64_t soma_dataset_digest(const soma_dataset *d) {
    soma__hash h = {0};
    if (!d || (!d->bytes && !d->floats)) return 0;
    soma__hash_add(&h, d->shape, (size_t)d->ndim * sizeof *d->shape);
    for (int64_t i = 0; i < d->count; i++) {
        soma__target t;
        if (d->bytes) soma__hash_add(&h, d->bytes + (d->rows ? d->rows[i] : i) * d->stride, (size_t)d->stride);
        else soma__hash_add(&h, d->floats + i * d->features, (size_t)d->features * sizeof *d->floats);
        soma__dataset_sample(d, 0, i, NULL, &t, NULL);
        soma__hash_add(&h, &t.class, sizeof t.class);
        soma__hash_add(&h, &t.value, sizeof t.value);
    }
    return soma__hash_end(&h);
}

soma_status soma_dataset_statistics(const soma_dataset *d, double *mean, double *std) {
    if (!d || !mean || !std) return SOMA_ERROR_ARGUMENT;
    if (!d->pictures.height) return soma_error_raise(d->ctx, SOMA_ERROR_ARGUMENT, "dataset_statistics: the data is no bytes of pictures");
    int64_t channels = d->pictures.channels, plane = d->stride / channels;
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t c = 0; c < channels; c++) {
        unsigned __int128 sum = 0, squares = 0, n = (unsigned __int128)d->count * (unsigned __int128)plane;
        for (int64_t i = 0; i < d->count; i++) {
            const uint8_t *p = d->bytes + (d->rows ? d->rows[i] : i) * d->stride + c * plane;
            uint64_t s = 0, q = 0; /* of one picture: no overflow */
            for (int64_t k = 0; k < plane; k++) s += p[k], q += (uint64_t)p[k] * p[k];
            sum += s, squares += q;
        }
        double spread = (double)(n * squares - sum * sum); /* n^2 times the variance */
        mean[c] = (double)sum / ((double)n * 255);
        std[c] = spread > 0 ? __builtin_sqrt(spread) / ((double)n * 255) : 1;
    }
    soma__fpmode_leave(mode);
    return SOMA_OK;
}

soma_dataset *soma_dataset_normalised(soma_context *ctx, const soma_dataset *d, const double *mean, const double *std, int64_t channels) {
    if (!ctx || !d || soma_error_status(ctx) != SOMA_OK) return NULL;
    bool fits = d->ctx == ctx && d->pictures.height && channels == d->pictures.channels && mean && std;
    for (int64_t c = 0; fits && c < channels; c++) fits = isfinite(mean[c]) && isfinite(std[c]) && (float)std[c] > 0;
    if (!fits) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                         "dataset_normalised: pictures of this context, and for each of their channels a mean and a std above 0, are wanted");
        return NULL;
    }
    soma_dataset *n = soma_scope_memory(ctx, sizeof *n);
    float *levels = soma_scope_memory(ctx, (size_t)channels * 256 * sizeof *levels);
    double *numbers = soma_scope_memory(ctx, 2 * (size_t)channels * sizeof *numbers);
    if (!n || !levels || !numbers) return NULL;
    *n = *d;
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t c = 0; c < channels; c++)
        for (int v = 0; v < 256; v++) levels[c * 256 + v] = ((float)v * d->scale - (float)mean[c]) / (float)std[c];
    soma__fpmode_leave(mode);
    memcpy(numbers, mean, (size_t)channels * sizeof *mean);
    memcpy(numbers + channels, std, (size_t)channels * sizeof *std);
    n->levels = levels;
    n->pictures.mean = numbers, n->pictures.std = numbers + channels;
    return n;
}

/* CIFAR-10 */

#define RECORD 3073

static const char *const cifar_classes[] = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

static void close_file(void *file) { soma__file_close(file); }
static size_t most_of_batch(const uint8_t *head, size_t n) { return (void)head, (void)n, (size_t)1 << 30; }

/* A file's records; NULL with the error pending. */
static const soma__file *open_batch(soma_context *ctx, const char *path) {
    char why[256];
    soma__file *f = soma_scope_memory(ctx, sizeof *f);
    if (!f || !path) return f ? (soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_cifar10: a path is NULL"), NULL) : NULL;
    soma_status s = soma__file_open(f, soma_context_allocator(ctx), path, most_of_batch, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why), NULL;
    if (soma_scope_defer(ctx, close_file, f) != SOMA_OK) return soma__file_close(f), NULL;
    if (!f->size || f->size % RECORD) {
        soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: no batch of CIFAR-10: %zu bytes are no records of %d", path, f->size, RECORD);
        return NULL;
    }
    for (size_t at = 0; at < f->size; at += RECORD)
        if (f->data[at] > 9) {
            soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: no batch of CIFAR-10: record %zu has class %d", path, at / RECORD, f->data[at]);
            return NULL;
        }
    return f;
}

soma_dataset *soma_dataset_cifar10(soma_context *ctx, const char *const *paths, int64_t n) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (!paths || n < 1 || n > 1000) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_cifar10: 1 to 1000 paths are wanted"), NULL;
    const soma__file **files = soma_scope_memory(ctx, (size_t)n * sizeof *files);
    size_t count = 0;
    for (int64_t i = 0; files && i < n; i++) {
        if (!(files[i] = open_batch(ctx, paths[i]))) return NULL;
        count += files[i]->size / RECORD;
    }
    uint8_t *bytes = files ? soma_scope_memory(ctx, count * (RECORD - 1)) : NULL, *labels = bytes ? soma_scope_memory(ctx, count) : NULL;
    if (!labels) return NULL;
    size_t k = 0;
    for (int64_t i = 0; i < n; i++)
        for (size_t at = 0; at < files[i]->size; at += RECORD, k++) {
            labels[k] = files[i]->data[at];
            memcpy(bytes + k * (RECORD - 1), files[i]->data + at + 1, RECORD - 1);
        }
    soma_dataset *d = soma__dataset_bytes(ctx, bytes, (int64_t)count, (const int64_t[]){3, 32, 32}, 3);
    if (!d) return NULL;
    d->labels = labels;
    d->pictures.classes = cifar_classes, d->pictures.n_classes = 10;
    return d;
}
