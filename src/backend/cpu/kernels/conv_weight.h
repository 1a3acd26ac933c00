/* What the ways of a conv_weight share: chains that were computed apart become one result. */
#ifndef SOMA_BACKEND_CPU_KERNELS_CONV_WEIGHT_H
#define SOMA_BACKEND_CPU_KERNELS_CONV_WEIGHT_H

#include "backend/cpu/conv.h"
#include "backend/cpu/kernels/kernel.h"

/* By Winograd's way; each channel by itself, where the channels of the output's gradient lie side by side. */
void SOMA_KERNEL(conv_winograd_weight)(const soma__call *c, const soma__conv_way *w);
void SOMA_KERNEL(conv_depthwise_weight)(const soma__call *c, const soma__conv_way *w);

/* A row of all chains, by the pairwise tree; an odd one is carried up. width: whole vectors. */
static inline void add_chains(float *row, int64_t chains, int64_t apart, int64_t width) {
    for (int64_t n = chains; n > 1; n = (n + 1) / 2) {
        for (int64_t i = 0; i < n / 2; i++)
            for (int64_t e = 0; e < width; e += VL)
                vf_store(row + i * apart + e, vf_add(vf_load(row + 2 * i * apart + e), vf_load(row + (2 * i + 1) * apart + e)));
        if (n % 2) memcpy(row + n / 2 * apart, row + (n - 1) * apart, (size_t)width * sizeof *row);
    }
}

#endif
