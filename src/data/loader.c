/* The loader: an order by Fisher and Yates over counter-based words, and two batches, of which a thread fills one while the other is used. The thread
 * changes when a batch is made, never what is in it. */
#include "data/dataset.h"

#include "base/fork.h"
#include "base/fpmode.h"
#include "base/random.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef struct slot {
    float *inputs;
    int64_t *targets;
    float *values; /* of data whose targets are numbers */
    int64_t count;
} slot;

struct soma_loader {
    soma_context *ctx;
    const soma_dataset *data;
    int64_t batch, batches, epoch, next; /* next: the batch that is handed out next */
    soma_loader_opts opts;
    int64_t *order;
    void *scratch; /* of who fills */
    slot slots[2];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool threaded, quit;
    int64_t wanted, filled; /* batches asked for, and made, in this epoch */
    uint64_t forks;         /* of the process that has the thread */
};

static void shuffle(soma_loader *l, int64_t epoch) {
    int64_t n = l->data->count;
    for (int64_t i = 0; i < n; i++) l->order[i] = i;
    if (!l->opts.shuffle) return;
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t bound = (uint64_t)i + 1, limit = (0 - bound) % bound;
        unsigned __int128 m;
        uint64_t retry = 0;
        do { /* without modulo bias: Lemire's rejection */
            uint32_t w[4];
            soma__philox(l->opts.seed, SOMA_STREAM_SHUFFLE | (uint64_t)epoch << 8, (uint64_t)i * 256 | retry++, w);
            m = (unsigned __int128)(w[0] | (uint64_t)w[1] << 32) * bound;
        } while ((uint64_t)m < limit);
        int64_t j = (int64_t)(uint64_t)(m >> 64), t = l->order[i];
        l->order[i] = l->order[j], l->order[j] = t;
    }
}

#define AHEAD 16 /* samples */

/* Rows lie anywhere: memory is asked for some samples before they are copied. */
static void ask_for(const soma_dataset *d, int64_t i) {
    const char *row = d->floats  ? (const char *)(d->floats + i * d->features)
                      : d->bytes ? (const char *)(d->bytes + (d->rows ? d->rows[i] : i) * d->stride)
                                 : NULL;
    int64_t size = d->floats ? d->features * (int64_t)sizeof(float) : d->stride;
    for (int64_t at = 0; row && at < size && at < 4096; at += 64) __builtin_prefetch(row + at);
    if (row && d->targets) __builtin_prefetch(d->targets + i);
}

static void fill(soma_loader *l, int64_t b) {
    slot *s = &l->slots[b % 2];
    int64_t from = b * l->batch, n = l->data->count - from < l->batch ? l->data->count - from : l->batch;
    soma__fpmode mode = soma__fpmode_enter();
    for (int64_t i = 0; i < n; i++) {
        soma__target t;
        if (i + AHEAD < n) ask_for(l->data, l->order[from + i + AHEAD]);
        soma__dataset_sample(l->data, l->epoch, l->order[from + i], s->inputs + i * l->data->features, &t, l->scratch);
        s->targets[i] = t.class;
        if (s->values) s->values[i] = t.value;
    }
    soma__fpmode_leave(mode);
    s->count = n;
}

static void *fill_main(void *arg) {
    soma_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        if (l->filled >= l->wanted) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        int64_t b = l->filled;
        pthread_mutex_unlock(&l->lock);
        fill(l, b);
        pthread_mutex_lock(&l->lock);
        l->filled = b + 1;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void loader_close(void *arg) {
    soma_loader *l = arg;
    if (l->forks != soma__forks()) return; /* the thread, and who holds the lock, are the parent's */
    if (l->threaded) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
}

/* Without a thread the batches are made by the caller. */
static void start_thread(soma_loader *l) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    l->threaded = pthread_create(&l->thread, NULL, fill_main, l) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

soma_loader *soma_loader_new_v(soma_context *ctx, soma_dataset *d, int64_t batch, const soma_loader_opts *options, size_t size) {
    if (!ctx || !d || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (d->ctx != ctx) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "loader: the data set belongs to another context"), NULL;
    if (batch < 1) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "loader: a batch of %lld samples; at least 1 is wanted", (long long)batch), NULL;
    soma_loader_opts o;
    if (!soma_options_read(ctx, "loader", &o, sizeof o, options, size)) return NULL;
    soma_loader *l = soma_scope_memory(ctx, sizeof *l);
    if (!l) return NULL;
    l->opts = o;
    l->ctx = ctx;
    l->forks = soma__forks();
    l->data = d;
    l->batches = l->opts.drop_last ? d->count / batch : (d->count - 1) / batch + 1;
    l->batch = batch = batch < d->count ? batch : d->count; /* no memory for samples that are not there */
    l->order = soma_scope_memory(ctx, (size_t)d->count * sizeof *l->order);
    l->scratch = soma_scope_memory(ctx, soma__dataset_scratch(d) + 1);
    for (int i = 0; i < 2; i++) {
        l->slots[i].inputs = soma_scope_memory(ctx, (size_t)(batch * d->features) * sizeof(float));
        l->slots[i].targets = soma_scope_memory(ctx, (size_t)batch * sizeof(int64_t));
        if (d->valued) l->slots[i].values = soma_scope_memory(ctx, (size_t)batch * sizeof(float));
    }
    if (soma_error_status(ctx) != SOMA_OK) return NULL;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (soma_scope_defer(ctx, loader_close, l) != SOMA_OK) return NULL;
    if (!l->opts.no_prefetch) start_thread(l);
    return soma_loader_start(l, 0) == SOMA_OK ? l : NULL;
}

int64_t soma_loader_count(const soma_loader *l) { return l ? l->batches : 0; }

static soma_status start_at(soma_loader *l, int64_t epoch, int64_t first) {
    if (l->forks != soma__forks()) return soma_error_status(l->ctx);
    pthread_mutex_lock(&l->lock);
    l->wanted = l->wanted < l->filled + 1 ? l->wanted : l->filled + 1;
    while (l->threaded && l->filled < l->wanted) pthread_cond_wait(&l->changed, &l->lock); /* the batch in the making reads the old order */
    shuffle(l, epoch);
    l->epoch = epoch;
    l->next = l->filled = first;
    l->wanted = first + 2 < l->batches ? first + 2 : l->batches;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return SOMA_OK;
}

soma_status soma_loader_start(soma_loader *l, int64_t epoch) { return l ? start_at(l, epoch, 0) : SOMA_ERROR_ARGUMENT; }

soma_status soma_loader_position(const soma_loader *l, int64_t *epoch, int64_t *next) {
    if (!l || !epoch || !next) return SOMA_ERROR_ARGUMENT;
    *epoch = l->epoch;
    *next = l->next;
    return SOMA_OK;
}

soma_status soma_loader_seek(soma_loader *l, int64_t epoch, int64_t next) {
    if (!l) return SOMA_ERROR_ARGUMENT;
    if (epoch < 0 || next < 0 || next > l->batches)
        return soma_error_raise(l->ctx, SOMA_ERROR_RANGE, "loader_seek: batch %lld of %lld in epoch %lld", (long long)next, (long long)l->batches,
                                (long long)epoch);
    return start_at(l, epoch, next);
}

bool soma_loader_next(soma_loader *l, soma_batch *out) {
    if (!l || !out || l->next >= l->batches) return false;
    if (l->forks != soma__forks()) {
        soma_error_status(l->ctx); /* raises it */
        return false;
    }
    pthread_mutex_lock(&l->lock);
    l->wanted = l->next + 2 < l->batches ? l->next + 2 : l->batches; /* the batch before this one is free again */
    pthread_cond_broadcast(&l->changed);
    while (l->threaded && l->filled <= l->next) pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
    if (!l->threaded) fill(l, l->next);
    const slot *s = &l->slots[l->next % 2];
    *out = (soma_batch){s->inputs, s->targets, s->count, s->values};
    l->next++;
    return true;
}
