/* Convolutions of each channel by itself, and their gradient by the weight: vectors run along channels, some results share what is read of the
 * weight.
 */
#include "backend/cpu/kernels/conv_job.h"

#define AT_ONCE 6

/* `count` results, a constant wherever this is inlined. */
SIMD_FN void results(int count, const phase *ph, const float *weight, int64_t channels, int64_t c, int64_t n, const float *const *a,
                     float *const *to) {
    vf sum[AT_ONCE];
    for (int r = 0; r < count; r++) sum[r] = vf_zero();
    for (int64_t k = 0; k < ph->n_k; k++) {
        vf w = vf_loadn(weight + k * channels + c, n);
        for (int r = 0; r < count; r++) {
            const float *x = a[r] + ph->k[k].a + c;
            sum[r] = vf_fma(n == VL ? vf_load(x) : vf_loadn(x, n), w, sum[r]);
        }
    }
    for (int r = 0; r < count; r++) vf_storen(to[r] + c, sum[r], n);
}

void SOMA_KERNEL(conv_depthwise)(const job *j, const segment *s, int64_t f) {
    const phase *ph = &j->phases[f];
    const float *a[SEGMENT], *weight = j->packed + ph->panels;
    float *to[SEGMENT];
    int64_t channels = j->w->groups;
    int count = of_phase(j, s, f, 0, 0, a, to);
    for (int64_t c = 0; c < channels; c += VL) {
        int64_t n = channels - c < VL ? channels - c : VL;
        int i = 0;
        for (; i + AT_ONCE <= count; i += AT_ONCE) results(AT_ONCE, ph, weight, channels, c, n, a + i, to + i);
        for (; i < count; i++) results(1, ph, weight, channels, c, n, a + i, to + i);
    }
}
