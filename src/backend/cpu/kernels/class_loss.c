/* Cross entropy with classes and its gradient (ops/class_loss.c has the formula and its reference): vectors run across rows, so that few classes fill
 * them, too. A block of VL rows is turned on its side: strip j holds the logits of class j. */
#include "backend/cpu/kernels/kernel.h"
#include "base/math_f32.h"
#include "ops/class_loss.h"
#include "ops/reduce.h"

#define CLASSES SOMA__SUM_PIECE /* more than a piece of the reduction order is the reference's */
#define ROWS 64                 /* of a piece of work */

typedef struct job {
    const soma__call *c;
    soma__class_loss l;
    float *loss, *by, *strips; /* [rows], [rows], and [classes][VL] for each thread */
    float keep, share, whole, over;
} job;

/* n rows from row r on to strips. */
static void turn(const soma__class_loss *l, const float *x, int64_t r, int64_t n, float *strip) {
    x += r * l->rs;
    int64_t j = 0;
    if (l->rs == 1) {
        for (; j < l->classes; j++) vf_store(strip + j * VL, vf_loadn(x + j * l->cs, n));
        return;
    }
    for (; l->cs == 1 && n == VL && j + VL <= l->classes; j += VL) {
        vf v[VL];
        for (int i = 0; i < VL; i++) v[i] = vf_load(x + i * l->rs + j);
        vf_transpose(v);
        for (int i = 0; i < VL; i++) vf_store(strip + (j + i) * VL, v[i]);
    }
    for (; j < l->classes; j++) {
        for (int64_t i = 0; i < n; i++) strip[j * VL + i] = x[i * l->rs + j * l->cs];
        for (int64_t i = n; i < VL; i++) strip[j * VL + i] = 0.0f;
    }
}

static void turn_back(const float *strip, int64_t classes, int64_t n, float *out) {
    int64_t j = 0;
    for (; n == VL && j + VL <= classes; j += VL) {
        vf v[VL];
        for (int i = 0; i < VL; i++) v[i] = vf_load(strip + (j + i) * VL);
        vf_transpose(v);
        for (int i = 0; i < VL; i++) vf_store(out + i * classes + j, v[i]);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = j; k < classes; k++) out[i * classes + k] = strip[k * VL + i];
}

/* The first n lanes were added to. Lanes are never -0, so those that stayed +0 need not be added. */
SIMD_FN vf tree(vf lane[16], int64_t n) {
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half && i + half < n; i++) lane[i] = vf_add(lane[i], lane[i + half]);
    return lane[0];
}

static vf largest(const float *strip, int64_t classes) {
    vf m = vf_load(strip);
    for (int64_t j = 1; j < classes; j++) m = vf_max(m, vf_load(strip + j * VL));
    return m;
}

/* The sum of exp(x - m) over the classes; the terms replace the logits where they are wanted. */
static vf exponentials(float *strip, int64_t classes, vf m, bool replace) {
    vf lane[16];
    for (int i = 0; i < 16 && i < classes; i++) lane[i] = vf_zero();
    for (int64_t j = 0; j < classes; j++) {
        vf e = vf_exp(vf_sub(vf_load(strip + j * VL), m));
        if (replace) vf_store(strip + j * VL, e);
        lane[j % 16] = vf_add(lane[j % 16], e);
    }
    return tree(lane, classes);
}

SIMD_FN float weight(const soma__class_loss *l, int64_t j) { return l->weight ? ((const float *)l->weight)[j * l->weight_stride] : 1.0f; }

/* Targets are checked before; an ignored one is read as class 0 with weight 0. */
static void targets(const job *j, int64_t r, int64_t n, int32_t *t) {
    const soma__class_loss *l = &j->l;
    for (int64_t i = 0; i < VL; i++) {
        int64_t k = i < n ? l->target[(r + i) * l->target_stride] : l->ignore;
        t[i] = k == l->ignore ? -1 : (int32_t)k;
    }
}

/* -((x - m) - log sum), and for smoothing its weighted sum over the classes. */
static void loss_block(const job *j, int64_t r, int64_t n, float *strip) {
    const soma__class_loss *l = &j->l;
    int32_t t[VL];
    float picked[VL], w[VL];
    turn(l, j->c->in[0].data, r, n, strip);
    targets(j, r, n, t);
    for (int i = 0; i < VL; i++) picked[i] = strip[(t[i] < 0 ? 0 : t[i]) * VL + i], w[i] = t[i] < 0 ? 0.0f : weight(l, t[i]);
    vf m = largest(strip, l->classes), log_sum = vf_log(exponentials(strip, l->classes, m, false));
    vf loss = vf_mul(vf_load(w), vf_neg(vf_sub(vf_sub(vf_load(picked), m), log_sum)));
    if (l->smooth) {
        vf lane[16];
        for (int i = 0; i < 16 && i < l->classes; i++) lane[i] = vf_zero();
        for (int64_t k = 0; k < l->classes; k++)
            lane[k % 16] = vf_add(lane[k % 16], vf_mul(vf_set1(weight(l, k)), vf_neg(vf_sub(vf_sub(vf_load(strip + k * VL), m), log_sum))));
        loss = vf_add(vf_mul(vf_set1(j->keep), loss), vf_mul(vf_set1(j->share), tree(lane, l->classes)));
    }
    vf_storen(j->loss + r, vf_andnot(vf_from_bits(vi_gt(vi_zero(), vi_load(t))), loss), n);
    vf_storen(j->by + r, vf_load(w), n);
}

static void gradient_block(const job *j, int64_t r, int64_t n, float *strip) {
    const soma__class_loss *l = &j->l;
    int32_t t[VL];
    float g[VL], w[VL], pick[VL];
    turn(l, j->c->in[0].data, r, n, strip);
    targets(j, r, n, t);
    for (int i = 0; i < VL; i++) {
        g[i] = i < n ? ((const float *)l->g)[(r + i) * l->g_stride] : 0.0f;
        if (l->reduction == SOMA_MEAN) g[i] = g[i] / j->over;
        w[i] = t[i] < 0 ? 0.0f : weight(l, t[i]);
        pick[i] = l->smooth ? j->keep * w[i] : w[i];
    }
    vf m = largest(strip, l->classes), sum = exponentials(strip, l->classes, m, true), a = vf_load(pick), scale = vf_load(g), ignored;
    if (l->smooth) a = vf_add(a, vf_set1(j->share * j->whole));
    vi cls = vi_load(t);
    ignored = vf_from_bits(vi_gt(vi_zero(), cls));
    for (int64_t k = 0; k < l->classes; k++) {
        vf b = vf_and(vf_from_bits(vi_eq(cls, vi_set1((int32_t)k))), vf_load(pick));
        if (l->smooth) b = vf_add(b, vf_set1(j->share * weight(l, k)));
        vf d = vf_mul(scale, vf_sub(vf_mul(a, vf_div(vf_load(strip + k * VL), sum)), b));
        vf_store(strip + k * VL, vf_andnot(ignored, d));
    }
    turn_back(strip, l->classes, n, (float *)j->c->out.data + r * l->classes);
}

static void piece(void *arg, int64_t at, int slot) {
    const job *j = arg;
    int64_t end = (at + 1) * ROWS
    < j->l.rows ? (at + 1) * ROWS : j->l.rows;
    float *strip = j->strips + (int64_t)slot * j->l.classes * 16;
    for (int64_t r = at * ROWS; r < end; r += VL) {
        int64_t n = end - r < VL ? end - r : VL;
        if (j->c->op == SOMA_OP_class_loss) loss_block(j, r, n, strip);
        else gradient_block(j, r, n, strip);
    }
}

int SOMA_KERNEL(class_loss)(const soma__call *c) {
    bool backward = c->op == SOMA_OP_class_loss_backward;
    job j = {.c = c, .l = soma__class_loss_of(c, backward), .loss = c->scratch};
    soma__class_loss *l = &j.l;
    if (l->classes > CLASSES || !l->classes || !l->rows || l->targets) return soma__ops[c->op]->run(c);
    j.by = j.loss + l->rows;
    j.strips = j.by + l->rows + (16 - 2 * l->rows % 16) % 16;
    for (int64_t r = 0; r < l->rows; r++) {
        int64_t t = soma__class_loss_target(c, l, r);
        if (t == SOMA__TARGET_WRONG) return SOMA_ERROR_RANGE;
        if (backward) j.by[r] = t < 0 ? 0.0f : weight(l, t);
    }
    float s = *(const float *)c->in[3].data;
    j.keep = 1.0f - s, j.share = s / (float)l->classes;
    if (backward && l->smooth) {
        for (int64_t k = 0; k < l->classes; k++) j.strips[k] = weight(l, k);
        j.whole = soma__sum_f32(j.strips, l->classes);
    }
    if (backward && l->reduction == SOMA_MEAN) j.over = soma__sum_f32(j.by, l->rows);
    soma__pool_run(c->env->pool, piece, &j, (l->rows - 1) / ROWS + 1, (double)(l->rows * l->classes) * 0.5);
    if (backward) return SOMA_OK;
    float *out = c->out.data;
    if (l->reduction == SOMA_NONE) memcpy(out, j.loss, (size_t)l->rows * sizeof *out);
    else *out = l->reduction == SOMA_SUM ? soma__sum_f32(j.loss, l->rows) : soma__sum_f32(j.loss, l->rows) / soma__sum_f32(j.by, l->rows);
    return SOMA_OK;
}
