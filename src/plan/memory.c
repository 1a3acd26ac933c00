/* The slab: values that do not live at the same time share bytes. A value that is written over another one lives in its place. Two ways are tried,
 * and the smaller slab is taken: the first gap that fits in the order of writing, and the same for the largest values first. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* With more places than this the second way, which takes time by their square, is left out. */
#define MOST 4096

/* Memory that one value has, or some that follow each other in it. */
typedef struct place {
    size_t bytes, at;
    int first, last;
} place;

/* Live intervals sorted by offset, as a list through array indices. */
typedef struct live {
    size_t from, to;
    int last;
} live;

static size_t first_fit(live *a, int *n, size_t bytes, int first, int last) {
    int kept = 0;
    for (int i = 0; i < *n; i++) /* what was read for the last time before this step is free */
        if (a[i].last >= first) a[kept++] = a[i];
    *n = kept;
    size_t at = 0;
    int i = 0;
    for (; i < *n && a[i].from < at + bytes; i++)
        if (a[i].to > at) at = a[i].to;
    for (i = *n; i > 0 && a[i - 1].from > at; i--) a[i] = a[i - 1];
    a[i] = (live){at, at + bytes, last};
    ++*n;
    return at;
}

static size_t in_order(place *places, int count, live *room) {
    size_t top = 0;
    int n = 0;
    for (int i = 0; i < count; i++) {
        places[i].at = first_fit(room, &n, places[i].bytes, places[i].first, places[i].last);
        if (places[i].at + places[i].bytes > top) top = places[i].at + places[i].bytes;
    }
    return top;
}

static int larger(const void *a, const void *b) {
    const place *x = *(place *const *)a, *y = *(place *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* `done` are sorted by offset. */
static size_t largest_first(place *places, int count, place **order, place **done) {
    size_t top = 0;
    for (int i = 0; i < count; i++) order[i] = &places[i];
    qsort(order, (size_t)count, sizeof *order, larger);
    for (int i = 0; i < count; i++) {
        place *p = order[i];
        int k = 0;
        p->at = 0;
        for (; k < i && done[k]->at < p->at + p->bytes; k++)
            if (done[k]->last >= p->first && done[k]->first <= p->last && done[k]->at + done[k]->bytes > p->at) p->at = done[k]->at + done[k]->bytes;
        for (k = i; k > 0 && done[k - 1]->at > p->at; k--) done[k] = done[k - 1];
        done[k] = p;
        if (p->at + p->bytes > top) top = p->at + p->bytes;
    }
    return top;
}

/* The places of all values, in the order of writing; number[s] is that of slab value s. */
static int find_places(soma__plan *p, place *places, int *number) {
    int n = 0;
    for (int s = 0; s < p->n_slab_values; s++) {
        soma__value *v = &p->values[p->slab_values[s]];
        v->slab = (size_t)s; /* until it has an offset: its number */
        const soma__value *u = v->over ? &p->values[v->over - 1] : NULL;
        if (u && u->home == SOMA__HOME_SLAB && u->lives && u->last == v->first && u->first < v->first) {
            number[s] = number[u->slab];
            places[number[s]].last = v->last;
            continue;
        }
        size_t bytes = (v->bytes + 63) & ~(size_t)63;
        places[number[s] = n++] = (place){.bytes = bytes ? bytes : 64, .first = v->first, .last = v->last};
    }
    return n;
}

void soma__plan_layout(soma_context *ctx, soma__plan *p) {
    size_t n = (size_t)p->n_slab_values + 1, sum = 0;
    place *places = soma__scope_alloc(&p->memory, n * sizeof *places, 8);
    place **order = soma__scope_alloc(&p->memory, 2 * n * sizeof *order, 8);
    live *room = soma__scope_alloc(&p->memory, n * sizeof *room, 8);
    int *number = soma__scope_alloc(&p->memory, n * sizeof *number, 8);
    if (!places || !order || !room || !number) {
        soma__no_memory(ctx);
        return;
    }
    for (int s = 0; s < p->n_slab_values; s++) {
        size_t bytes = p->values[p->slab_values[s]].bytes;
        if (bytes > SOMA__SLAB_MOST - sum) {
            soma__no_memory(ctx);
            return;
        }
        sum += bytes;
    }
    int count = find_places(p, places, number);
    size_t top = in_order(places, count, room);
    if (count <= MOST) {
        size_t other = largest_first(places, count, order, order + n);
        if (other > top) in_order(places, count, room);
        else top = other;
    }
    for (int s = 0; s < p->n_slab_values; s++) p->values[p->slab_values[s]].slab = places[number[s]].at;
    p->scratch_at = top;
    if (p->slab_bytes > SOMA__SLAB_MOST) soma__no_memory(ctx);
    p->slab_bytes += top; /* it held the largest scratch */
}
