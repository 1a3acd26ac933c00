/* out[i] = f(in[i]) or f(in[i], in2[i]); functions count as in SOMA__VF_UNARY, then pow and atan2. For tests. */
#ifndef SOMA_SRC_BACKEND_CPU_MATH_PROBE_H
#define SOMA_SRC_BACKEND_CPU_MATH_PROBE_H

#include <stdint.h>

void soma__math_probe_portable(int function, float *out, const float *in, const float *in2, int64_t n);
void soma__math_probe_avx2(int function, float *out, const float *in, const float *in2, int64_t n);
void soma__math_probe_avx512(int function, float *out, const float *in, const float *in2, int64_t n);
void soma__math_probe_neon(int function, float *out, const float *in, const float *in2, int64_t n);

#endif
