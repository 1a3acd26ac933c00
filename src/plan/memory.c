/* The slab: values that do not live at the same time share bytes. First fit in order of writing, which for a chain of layers is close to the
 * least possible. */
#include "plan/plan.h"

#include <string.h>

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

void soma__plan_layout(soma_context *ctx, soma__plan *p) {
    live *a = soma__scope_alloc(&p->memory, ((size_t)p->n_slab_values + 1) * sizeof *a, 8);
    size_t top = 0;
    int n = 0;
    if (!a) {
        soma__no_memory(ctx);
        return;
    }
    for (int s = 0; s < p->n_slab_values; s++) {
        soma__value *v = &p->values[p->slab_values[s]];
        size_t bytes = (v->bytes + 63) & ~(size_t)63;
        if (bytes > SOMA__SLAB_MOST - top) {
            soma__no_memory(ctx);
            return;
        }
        v->slab = first_fit(a, &n, bytes ? bytes : 64, v->first, v->last);
        if (v->slab + bytes > top) top = v->slab + bytes;
    }
    p->scratch_at = top;
    if (p->slab_bytes > SOMA__SLAB_MOST) soma__no_memory(ctx);
    p->slab_bytes += top; /* it held the largest scratch */
}
