/* The scalar float32 functions: math_f32.h over one float, so that they have the vector kernels' bits. */
#include "base/math_lane.h"

#include "base/math_f32.h"

#define SCALAR(fn) \
    float soma__##fn##f(float x) { return vf_##fn(x); }
SCALAR(exp)
SCALAR(expm1)
SCALAR(log)
SCALAR(log1p)
SCALAR(log2)
SCALAR(log10)
SCALAR(sin)
SCALAR(cos)
SCALAR(tanh)
SCALAR(sigmoid)
SCALAR(erf)
float soma__powf(float x, float y) { return vf_pow(x, y); }
