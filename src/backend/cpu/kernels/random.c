/* Random numbers in float32: Philox 4x32-10 (base/random.h) on a vector of blocks, VL of them at once. The lanes take blocks in the order that a
 * 4 x 4 transpose in each 128 bits turns into the order of memory. */
#include "backend/cpu/kernels/kernel.h"
#include "base/math_f32.h"
#include "base/random.h"

#if defined(SOMA_ISA_PORTABLE)
#define GROUPS 1
#else
#define GROUPS 2 /* vectors of blocks at once: one round waits for the round before */
#endif
#define BLOCK (4 * VL * GROUPS) /* elements made at once */
#define PIECE 4096

typedef struct draw {
    uint64_t seed, stream, counter;
    const float *p;
    float *out;
    int64_t n;
} draw;

/* w[g][i] = word i of VL blocks from first + g VL on. */
SIMD_FN void philox(const draw *d, uint64_t first, vi w[GROUPS][4]) {
#if defined(SOMA_ISA_PORTABLE)
    for (int l = 0; l < VL; l++) { /* scalar products are 64 bits wide, these vectors' are not */
        uint32_t word[4];
        soma__philox(d->seed, d->stream, first + (uint64_t)l, word);
        for (int i = 0; i < 4; i++) w[0][i][l] = (int32_t)word[i];
    }
#else
    uint32_t k0 = (uint32_t)d->seed, k1 = (uint32_t)(d->seed >> 32);
    for (int g = 0; g < GROUPS; g++) {
        int32_t low[VL], high[VL];
        for (int l = 0; l < VL; l++) {
            uint64_t at = first + (uint64_t)(g * VL + l % 4 * (VL / 4) + l / 4);
            low[l] = (int32_t)(uint32_t)at, high[l] = (int32_t)(uint32_t)(at >> 32);
        }
        w[g][0] = vi_load(low), w[g][1] = vi_load(high);
        w[g][2] = vi_set1((int32_t)(uint32_t)d->stream), w[g][3] = vi_set1((int32_t)(uint32_t)(d->stream >> 32));
    }
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        for (int g = 0; g < GROUPS; g++) {
            vi a_high, b_high, a = vi_mul_wide(w[g][0], 0xD2511F53u, &a_high), b = vi_mul_wide(w[g][2], 0xCD9E8D57u, &b_high);
            w[g][0] = vi_xor(vi_xor(b_high, w[g][1]), vi_set1((int32_t)k0)), w[g][1] = b;
            w[g][2] = vi_xor(vi_xor(a_high, w[g][3]), vi_set1((int32_t)k1)), w[g][3] = a;
        }
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
#endif
}

/* In [0, 1). */
SIMD_FN vf uniform(vi word) { return vf_mul(vf_from_vi(vi_shr(word, 8)), vf_set1(0x1p-24f)); }

SIMD_FN void normals(vi a, vi b, vf *even, vf *odd) {
    vf u = vf_mul(vf_from_vi(vi_add(vi_shr(a, 8), vi_set1(1))), vf_set1(0x1p-24f)), angle = vf_mul(vf_set1(6.28318530717958647693f), uniform(b));
    vf r = vf_sqrt(vf_mul(vf_set1(-2.0f), vf_log(u)));
    *even = vf_mul(r, vf_cos(angle)), *odd = vf_mul(r, vf_sin(angle));
}

/* BLOCK elements from block `first` on; p: what bernoulli compares with. */
SIMD_FN void make(const draw *d, int op, uint64_t first, const float *p, float *out) {
    vi w[GROUPS][4];
    philox(d, first, w);
    for (int g = 0; g < GROUPS; g++, p += 4 * VL, out += 4 * VL) {
        vf r[4];
        if (op == SOMA_OP_randn) normals(w[g][0], w[g][1], &r[0], &r[1]), normals(w[g][2], w[g][3], &r[2], &r[3]);
        else
            for (int i = 0; i < 4; i++) r[i] = uniform(w[g][i]);
        vf_transpose4(r);
        for (int i = 0; i < 4; i++) {
            if (op == SOMA_OP_bernoulli) r[i] = vf_and(vf_lt(r[i], vf_load(p + i * VL)), vf_set1(1.0f));
            vf_store(out + i * VL, r[i]);
        }
    }
}

SIMD_FN void fill(const draw *d, int op, int64_t piece) {
    int64_t i = piece * PIECE, end = i + PIECE < d->n ? i + PIECE : d->n;
    for (; i + BLOCK <= end; i += BLOCK) make(d, op, d->counter + (uint64_t)i / 4, d->p + i, d->out + i);
    if (i < end) {
        float p[BLOCK] = {0}, out[BLOCK];
        for (int64_t k = 0; op == SOMA_OP_bernoulli && k < end - i; k++) p[k] = d->p[i + k];
        make(d, op, d->counter + (uint64_t)i / 4, p, out);
        memcpy(d->out + i, out, (size_t)(end - i) * sizeof *out);
    }
}

#define DRAW(name, op, ns) \
    static void name##_piece(void *arg, int64_t at, int slot) { \
        (void)slot; \
        fill(arg, op, at); \
    } \
    int SOMA_KERNEL(name)(const soma__call *c) { \
        const uint64_t *at = c->in[0].data; \
        if (op == SOMA_OP_bernoulli && !soma__bernoulli_fits(c)) return SOMA_ERROR_RANGE; \
        draw d = {c->env->seed, at[0], at[1], c->n_in > 1 ? c->in[1].data : c->out.data, c->out.data, c->out.numel}; \
        soma__pool_run(c->env->pool, name##_piece, &d, (d.n + PIECE - 1) / PIECE, ns * (double)d.n / VL); \
        return SOMA_OK; \
    }
DRAW(rand, SOMA_OP_rand, 4)
DRAW(randn, SOMA_OP_randn, 16)
DRAW(bernoulli, SOMA_OP_bernoulli, 4)
