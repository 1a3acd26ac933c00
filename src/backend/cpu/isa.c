#include "backend/cpu/isa.h"

#include <string.h>

static const char *const names[] = {"portable", "neon", "avx2", "avx512"};

int soma__isa_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init(); /* asks the operating system, too, whether it saves the registers */
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return SOMA_ISA_ID_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        return SOMA_ISA_ID_AVX512;
    return SOMA_ISA_ID_AVX2;
#elif defined(__aarch64__)
    return SOMA_ISA_ID_NEON;
#else
    return SOMA_ISA_ID_PORTABLE;
#endif
}

const char *soma__isa_name(int isa) { return isa >= 0 && isa < (int)(sizeof names / sizeof names[0]) ? names[isa] : "unknown"; }

int soma__isa_cap(int isa) {
    int best = soma__isa_best();
#if defined(__x86_64__)
    if (isa == SOMA_ISA_ID_NEON) isa = SOMA_ISA_ID_PORTABLE; /* below AVX2 there is nothing else here */
#endif
    return isa < best ? isa : best;
}

int soma__isa_from_name(const char *name) {
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}
