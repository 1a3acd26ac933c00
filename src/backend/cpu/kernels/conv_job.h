/* What the parts of a running convolution share. */
#ifndef SOMA_BACKEND_CPU_KERNELS_CONV_JOB_H
#define SOMA_BACKEND_CPU_KERNELS_CONV_JOB_H

#include "backend/cpu/conv.h"
#include "backend/cpu/kernels/conv_tile.h"

#define SEGMENT SOMA__CONV_SEGMENT
#define CHAIN SOMA__CONV_CHAIN

/* Results that use the same kernel positions. */
typedef struct phase {
    const stretch *k;
    int64_t n_k, length; /* stretches; steps of k together */
    int64_t panels;      /* floats of the packed weight before it */
} phase;

typedef struct job {
    const soma__call *c;
    const soma__conv_way *w;
    phase *phases;
    float *packed, *own;
    int64_t own_size, panel_cols; /* channels of a group, whole panels */
    int64_t out_step[5];          /* of the result: sample, channel, and the three dimensions */
    bool direct;                  /* results go where they belong at once */
    bool depthwise;               /* each channel by itself */
} job;

/* Results next to each other, at most a segment: where each reads, where it goes, and its phase. */
typedef struct segment {
    const float *a[SEGMENT];
    float *c[SEGMENT];
    int64_t phase[SEGMENT];
    int n;
} segment;

/* Those of a phase, their places moved. */
static inline int of_phase(const job *j, const segment *s, int64_t f, int64_t a_at, int64_t c_at, const float **a, float **c) {
    int count = 0;
    if (j->w->phases == 1) {
        for (int i = 0; i < s->n; i++) a[i] = s->a[i] + a_at, c[i] = s->c[i] + c_at;
        return s->n;
    }
    for (int i = 0; i < s->n; i++)
        if (s->phase[i] == f) a[count] = s->a[i] + a_at, c[count++] = s->c[i] + c_at;
    return count;
}

/* A piece of work: a band of a sample and some of its channels. */
typedef struct share {
    soma__conv_band band;
    int64_t sample, col, cols, ld; /* ld: of the block */
    const float *x;                /* what is read: the place of the band's first result; with tiles the sample, where it isn't copied */
    float *rest;                   /* the thread's memory behind the room */
} share;
static inline share begin(const job *j, int64_t at, int slot) {
    const soma__conv_way *w = j->w;
    share k = {.sample = at / w->col_pieces / w->bands, .col = at % w->col_pieces * w->cols, .rest = j->own + slot * j->own_size};
    k.x = j->c->in[0].data;
    k.cols = w->out - k.col < w->cols ? w->out - k.col : w->cols, k.ld = soma__conv_block(w, k.cols);
    soma__conv_band_of(w, at / w->col_pieces % w->bands, &k.band);
    if (w->copies) {
        soma__conv_copy(w, &k.band, k.x, k.sample, k.rest);
        k.x = k.rest, k.rest += soma__conv_room(w);
    } else {
        k.x += k.sample * w->lies[0];
        for (int d = 0; d < 3 && !w->tile; d++) k.x += k.band.first[d] * w->step[d];
    }
    return k;
}

/* Its results are there. */
static inline void end(const job *j, const share *k) {
    if (j->c->follower)
        SOMA_KERNEL(channel_rows)(j->c->follower, k->sample * soma__conv_volume(j->w->to) + k->band.before, k->band.results, j->w->col_pieces);
}

static inline int64_t panel_width(const soma__conv_way *w, int64_t panel) { return w->out - panel * NR > VL ? NR : VL; }

/* All channels of the segment's results of a phase. */
void SOMA_KERNEL(conv_depthwise)(const job *j, const segment *s, int64_t f);

/* Winograd's way: a panel of the transformed weight, and a piece of work. */
void SOMA_KERNEL(conv_winograd_pack)(const job *j, int64_t panel);
void SOMA_KERNEL(conv_winograd)(void *job, int64_t at, int slot);

#endif
