/* Samples that are kept to measure with: of each class a share, drawn. */
#include "data/dataset.h"

#include "base/alloc.h"
#include "base/random.h"

#include <stdlib.h>

typedef struct drawn {
    uint64_t key;
    int64_t class, i;
} drawn;

static int by_draw(const void *a, const void *b) {
    const drawn *x = a, *y = b;
    if (x->class != y->class) return x->class < y->class ? -1 : 1;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : x->i < y->i ? -1 : 1;
}

/* The n samples of d that are marked so. NULL with the error pending. */
static soma_dataset *part_of(const soma_dataset *d, const uint8_t *marks, uint8_t mark, int64_t n) {
    soma_dataset *p = soma_scope_memory(d->ctx, sizeof *p);
    int64_t *rows = soma_scope_memory(d->ctx, (size_t)n * sizeof *rows), *targets = soma_scope_memory(d->ctx, (size_t)n * sizeof *targets), k = 0;
    const char **files = soma_scope_memory(d->ctx, (size_t)n * sizeof *files);
    if (!p || !rows || !targets || !files) return NULL;
    for (int64_t i = 0; i < d->count; i++) {
        soma__target t;
        if (marks[i] != mark) continue;
        soma__dataset_sample(d, 0, i, NULL, &t, NULL);
        rows[k] = d->rows ? d->rows[i] : i, targets[k] = t.class, files[k] = d->files ? d->files[i] : NULL;
        k++;
    }
    *p = *d;
    p->rows = rows, p->targets = targets, p->labels = NULL, p->files = d->files ? files : NULL, p->count = n;
    return p;
}

/* Marks the share of each class; returns how many there are. */
static int64_t choose(const soma_dataset *d, double share, uint64_t seed, drawn *list, uint8_t *marks) {
    int64_t held = 0;
    for (int64_t i = 0; i < d->count; i++) {
        soma__target t;
        uint32_t w[4];
        soma__dataset_sample(d, 0, i, NULL, &t, NULL);
        soma__philox(seed, SOMA_STREAM_SHUFFLE | (uint64_t)0x686f6c64 << 8, (uint64_t)i, w);
        list[i] = (drawn){w[0] | (uint64_t)w[1] << 32, t.class, i};
    }
    qsort(list, (size_t)d->count, sizeof *list, by_draw);
    for (int64_t from = 0, to; from < d->count; from = to) {
        for (to = from; to < d->count && list[to].class == list[from].class; to++) {}
        int64_t n = to - from, k = (int64_t)(share * (double)n + 0.5);
        k = k < 1 ? 1 : k;
        k = k > n - 1 ? n - 1 : k; /* something is left to learn from */
        for (int64_t i = 0; i < n; i++) marks[list[from + i].i] = i < k;
        held += k;
    }
    return held;
}

soma_status soma_dataset_hold_out(soma_context *ctx, const soma_dataset *d, double share, uint64_t seed, soma_dataset **rest, soma_dataset **held) {
    if (!ctx || !d || !rest || !held) return SOMA_ERROR_ARGUMENT;
    *rest = *held = NULL;
    if (soma_error_status(ctx) != SOMA_OK) return soma_error_status(ctx);
    if (d->ctx != ctx || !d->pictures.height || d->transforms || !(share > 0 && share < 1))
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT,
                                "dataset_hold_out: pictures of this context before transforms, and a share between 0 and 1, are wanted");
    const soma_allocator *alloc = soma_context_allocator(ctx);
    size_t bytes = (size_t)d->count * (sizeof(drawn) + 1);
    drawn *list = soma__alloc(alloc, bytes);
    if (!list) return soma_error_raise(ctx, SOMA_ERROR_MEMORY, "dataset_hold_out: out of memory");
    uint8_t *marks = (uint8_t *)(list + d->count);
    int64_t n = choose(d, share, seed, list, marks);
    if (!n) soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "dataset_hold_out: no class has a second picture that could be kept to measure with");
    else if ((*rest = part_of(d, marks, 0, d->count - n))) *held = part_of(d, marks, 1, n);
    soma__free(alloc, list, bytes);
    return soma_error_status(ctx);
}
