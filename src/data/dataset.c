/* Data sets: arrays of the user, or idx files (LeCun, the MNIST page: a magic of two zero bytes, a type, a rank; big-endian sizes; the data). */
#include "data/dataset.h"

#include "base/file.h"
#include "base/fpmode.h"

#include <stdio.h>
#include <string.h>

int64_t soma_dataset_count(const soma_dataset *d) { return d ? d->count : 0; }

soma_status soma_dataset_shape(const soma_dataset *d, const int64_t **shape, int64_t *ndim) {
    if (!d || !shape || !ndim) return SOMA_ERROR_ARGUMENT;
    *shape = d->shape;
    *ndim = d->ndim;
    return SOMA_OK;
}

bool soma_reads_gzip(void) {
#if SOMA_HAVE_ZLIB
    return true;
#else
    return false;
#endif
}

double soma_dataset_scale(const soma_dataset *d) { return d && d->bytes ? (double)d->scale : 1; }

int64_t soma_dataset_classes(const soma_dataset *d) {
    int64_t most = -1;
    if (!d || d->valued) return 0;
    if (d->columns) return soma_columns_about(d->columns)->target.n_categories;
    if (d->pictures.n_classes) return d->pictures.n_classes;
    for (int64_t i = 0; i < d->count; i++) {
        soma__target t;
        soma__dataset_sample(d, 0, i, NULL, &t, NULL);
        if (t.class > most) most = t.class;
    }
    return most + 1;
}

bool soma_dataset_is_valued(const soma_dataset *d) { return d && d->valued; }
soma_columns *soma_dataset_columns(const soma_dataset *d) { return d ? d->columns : NULL; }
const soma_table *soma_dataset_table(const soma_dataset *d) { return d ? d->table : NULL; }

static bool in_range(const soma_dataset *d, int64_t i) {
    if (i >= 0 && i < d->count) return true;
    soma_error_raise(d->ctx, SOMA_ERROR_RANGE, "dataset_sample: sample %lld of %lld", (long long)i, (long long)d->count);
    return false;
}

soma_status soma_dataset_sample(const soma_dataset *d, int64_t i, float *inputs, int64_t *target) {
    return soma_dataset_augmented(d, 0, i, inputs, target);
}

soma_status soma_dataset_augmented(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, int64_t *target) {
    if (!d || epoch < 0) return SOMA_ERROR_ARGUMENT;
    if (!in_range(d, i)) return SOMA_ERROR_RANGE;
    soma__target t;
    soma__fpmode mode = soma__fpmode_enter();
    soma__dataset_sample(d, epoch, i, inputs, &t, d->scratch);
    soma__fpmode_leave(mode);
    if (target) *target = t.class;
    return SOMA_OK;
}

soma_status soma_dataset_raw(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, int64_t *target) {
    if (!d || !d->bytes) return soma_dataset_augmented(d, epoch, i, inputs, target);
    soma_dataset raw = *d; /* bytes as they are */
    raw.levels = NULL, raw.scale = 1;
    return soma_dataset_augmented(&raw, epoch, i, inputs, target);
}

soma_status soma_dataset_value(const soma_dataset *d, int64_t i, float *value) {
    if (!d || !value) return SOMA_ERROR_ARGUMENT;
    if (!in_range(d, i)) return SOMA_ERROR_RANGE;
    soma__target t;
    soma__dataset_sample(d, 0, i, NULL, &t, NULL);
    *value = t.value;
    return SOMA_OK;
}

static void from_bytes(const soma_dataset *d, const uint8_t *bytes, float *inputs) {
    int64_t n = d->features, plane = d->levels ? n / d->pictures.channels : n;
    for (int64_t k = 0; !d->levels && k < n; k++) inputs[k] = (float)bytes[k] * d->scale;
    for (int64_t c = 0; d->levels && c < d->pictures.channels; c++)
        for (int64_t k = 0; k < plane; k++) *inputs++ = d->levels[c * 256 + *bytes++];
}

void soma__dataset_sample(const soma_dataset *d, int64_t epoch, int64_t i, float *inputs, soma__target *target, void *scratch) {
    if (d->sample) {
        d->sample(d, i, inputs, target);
        return;
    }
    if (inputs && d->floats) memcpy(inputs, d->floats + i * d->features, (size_t)d->features * sizeof *inputs);
    else if (inputs && d->bytes) {
        const uint8_t *bytes = d->bytes + (d->rows ? d->rows[i] : i) * d->stride;
        from_bytes(d, d->transforms ? soma__transforms_run(d->transforms, epoch, i, bytes, scratch) : bytes, inputs);
    }
    *target = (soma__target){d->targets ? d->targets[i] : d->labels ? d->labels[i] : 0, d->values ? d->values[i] : 0};
}

static soma_dataset *of_arrays(soma_context *ctx, const char *call, const float *inputs, const void *targets, int64_t count, const int64_t *shape,
                               int64_t ndim) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    bool fits = inputs && targets && count > 0 && ndim >= 0 && ndim < SOMA_MAX_DIMS && (!ndim || shape);
    int64_t features = 1;
    for (int64_t i = 0; fits && i < ndim; i++) fits = shape[i] > 0 && !__builtin_mul_overflow(features, shape[i], &features);
    if (!fits) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: inputs, targets, a count of at least 1 and a shape of positive sizes are wanted", call);
        return NULL;
    }
    soma_dataset *d = soma_scope_memory(ctx, sizeof *d);
    if (!d) return NULL;
    *d = (soma_dataset){.ctx = ctx, .floats = inputs, .count = count, .features = features, .ndim = ndim};
    for (int64_t i = 0; i < ndim; i++) d->shape[i] = shape[i];
    return d;
}

soma_dataset *soma_dataset_arrays(soma_context *ctx, const float *inputs, const int64_t *targets, int64_t count, const int64_t *shape, int64_t ndim) {
    soma_dataset *d = of_arrays(ctx, "dataset_arrays", inputs, targets, count, shape, ndim);
    if (d) d->targets = targets;
    return d;
}

soma_dataset *soma_dataset_values(soma_context *ctx, const float *inputs, const float *values, int64_t count, const int64_t *shape, int64_t ndim) {
    soma_dataset *d = of_arrays(ctx, "dataset_values", inputs, values, count, shape, ndim);
    if (d) d->values = values, d->valued = true;
    return d;
}

soma_dataset *soma__dataset_bytes(soma_context *ctx, const uint8_t *bytes, int64_t count, const int64_t *shape, int64_t ndim) {
    soma_dataset *d = soma_scope_memory(ctx, sizeof *d);
    if (!d) return NULL;
    *d = (soma_dataset){.ctx = ctx, .bytes = bytes, .count = count, .features = 1, .ndim = ndim, .scale = (float)(1.0 / 255)};
    for (int64_t i = 0; i < ndim; i++) d->shape[i] = shape[i], d->features *= shape[i];
    d->stride = d->features;
    if (ndim == 2) d->pictures = (soma_picture_info){.height = shape[0], .width = shape[1], .channels = 1};
    if (ndim == 3 && (shape[0] == 1 || shape[0] == 3)) d->pictures = (soma_picture_info){.height = shape[1], .width = shape[2], .channels = shape[0]};
    return d;
}

static void close_file(void *file) { soma__file_close(file); }

/* What the head promises: *head bytes, then *want bytes. False when they are not all there, or promise more than a size holds. */
static bool read_head(const uint8_t *data, size_t n, size_t *head, size_t *want, int64_t *shape) {
    *head = n < 4 ? 4 : 4 + 4 * (size_t)data[3];
    *want = 1;
    if (n < *head) return false;
    for (int i = 0; i < data[3]; i++) {
        const uint8_t *b = data + 4 + 4 * i;
        int64_t size = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
        if (shape) shape[i] = size;
        if (__builtin_mul_overflow(*want, (size_t)size, want)) return false;
    }
    return *want < SIZE_MAX / 2;
}

/* No more than a byte beyond what is promised is unpacked; of what is no idx file, the head. */
static size_t most_of_idx(const uint8_t *data, size_t n) {
    size_t head, want;
    return n < 4 || data[3] >= SOMA_MAX_DIMS || !read_head(data, n, &head, &want, NULL) ? n : head + want + 1;
}

/* Opens an idx file of bytes with the given rank (0: any from 2 on); sizes go to shape. NULL with the error pending. */
static const uint8_t *open_idx(soma_context *ctx, const char *path, int rank, int64_t *shape, int *ndim) {
    char why[256], packed[4096];
    int n = snprintf(packed, sizeof packed, "%s.gz", path);
    if (n > 0 && (size_t)n < sizeof packed && !soma__file_exists(path) && soma__file_exists(packed)) path = packed;
    soma__file *f = soma_scope_memory(ctx, sizeof *f);
    if (!f) return NULL;
    soma_status s = soma__file_open(f, soma_context_allocator(ctx), path, most_of_idx, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(ctx, s, "%s: %s", path, why), NULL;
    if (soma_scope_defer(ctx, close_file, f) != SOMA_OK) return soma__file_close(f), NULL;
    if (f->size < 4) return soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: no idx file: it has %zu bytes", path, f->size), NULL;
    if (f->data[0] || f->data[1] || f->data[2] != 8 || (rank ? f->data[3] != rank : f->data[3] < 2 || f->data[3] >= SOMA_MAX_DIMS)) {
        soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: no idx file of unsigned bytes with %s (it begins with %02x %02x %02x %02x)", path,
                         rank ? "one dimension" : "two or more dimensions", f->data[0], f->data[1], f->data[2], f->data[3]);
        return NULL;
    }
    *ndim = f->data[3];
    size_t head, want;
    if (!read_head(f->data, f->size, &head, &want, shape)) {
        if (f->size < head) soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: its header of %zu bytes is cut: the file has %zu", path, head, f->size);
        else soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: its header wants more data than there can be", path);
        return NULL;
    }
    if (f->size - head != want) {
        soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: its header wants %zu bytes of data, the file has %s%zu%s", path, want,
                         f->memory && f->size - head > want ? "at least " : "", f->size - head, f->size - head < want ? " (truncated?)" : "");
        return NULL;
    }
    return f->data + head;
}

soma_dataset *soma_dataset_idx_v(soma_context *ctx, const char *images, const char *labels, const soma_idx_opts *options, size_t size) {
    if (!ctx || soma_error_status(ctx) != SOMA_OK) return NULL;
    soma_idx_opts o;
    if (!soma_options_read(ctx, "dataset_idx", &o, sizeof o, options, size)) return NULL;
    if (!images || !labels) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_idx: two paths are wanted"), NULL;
    int64_t shape[SOMA_MAX_DIMS], n;
    int ndim, one;
    const uint8_t *x = open_idx(ctx, images, 0, shape, &ndim), *y = x ? open_idx(ctx, labels, 1, &n, &one) : NULL;
    if (!y) return NULL;
    if (n != shape[0] || !n) {
        soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s has %lld images, %s %lld labels; the counts must be equal and not 0", images,
                         (long long)shape[0], labels, (long long)n);
        return NULL;
    }
    for (int i = 1; i < ndim; i++)
        if (!shape[i]) return soma_error_raise(ctx, SOMA_ERROR_FORMAT, "%s: its images have no elements: dimension %d is 0", images, i), NULL;
    soma_dataset *d = soma__dataset_bytes(ctx, x, n, shape + 1, ndim - 1);
    if (!d) return NULL;
    d->labels = y;
    soma__fpmode mode = soma__fpmode_enter();
    d->scale = o.scale.set ? (float)o.scale.value : (float)(1.0 / 255);
    soma__fpmode_leave(mode);
    return d;
}
