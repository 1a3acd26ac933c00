/* Functions of which kernels/ has one for each instruction set that the processor family has: X(name, set) for each set, and their table by set. */
#ifndef SOMA_BACKEND_CPU_BY_ISA_H
#define SOMA_BACKEND_CPU_BY_ISA_H

#include "backend/cpu/isa.h"

#if defined(SOMA_HAVE_X86)
#define ON_ISAS(X, fn) X(fn, portable) X(fn, avx2) X(fn, avx512)
#define BY_ISA(fn) \
    { fn##_portable, fn##_portable, fn##_avx2, fn##_avx512 }
#elif defined(SOMA_HAVE_NEON)
#define ON_ISAS(X, fn) X(fn, portable) X(fn, neon)
#define BY_ISA(fn) \
    { fn##_portable, fn##_neon, fn##_portable, fn##_portable }
#else
#define ON_ISAS(X, fn) X(fn, portable)
#define BY_ISA(fn) \
    { fn##_portable, fn##_portable, fn##_portable, fn##_portable }
#endif

#endif
