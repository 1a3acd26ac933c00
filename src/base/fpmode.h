/* The floating-point mode that results are defined in: round to nearest, subnormals kept, no traps. */
#ifndef SOMA_SRC_BASE_FPMODE_H
#define SOMA_SRC_BASE_FPMODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
typedef uint32_t soma__fpmode;
/* Sets the mode and returns the caller's. */
static inline soma__fpmode soma__fpmode_enter(void) {
    uint32_t mode = _mm_getcsr();
    if ((mode & 0xffc0u) != 0x1f80u) _mm_setcsr((mode & 0x3fu) | 0x1f80u); /* rounding bits, FTZ and DAZ off, all exceptions masked */
    return mode;
}
static inline void soma__fpmode_leave(soma__fpmode mode) {
    if ((mode & 0xffc0u) != 0x1f80u) _mm_setcsr(mode); /* with the caller's flags: a flag that is set would trap when it is unmasked */
}
#elif defined(__aarch64__)
typedef uint64_t soma__fpmode;
static inline soma__fpmode soma__fpmode_enter(void) {
    uint64_t mode, clean;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    clean = mode & ~((uint64_t)3 << 22 | (uint64_t)1 << 24 | (uint64_t)0x9f00); /* rounding mode, flush to zero, traps */
    if (clean != mode) __asm__ volatile("msr fpcr, %0" : : "r"(clean));
    return mode;
}
static inline void soma__fpmode_leave(soma__fpmode mode) {
    uint64_t now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    if (now != mode) __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
typedef int soma__fpmode;
static inline soma__fpmode soma__fpmode_enter(void) { return 0; }
static inline void soma__fpmode_leave(soma__fpmode mode) { (void)mode; }
#endif

/* One operation on numbers of the host, rounded to nearest whatever the caller's mode is: '+', '-', '*', '/', or 'r' for the root of a. */
static inline double soma__nearest(char op, double a, double b) {
    soma__fpmode mode = soma__fpmode_enter();
    volatile double p = a, q = b, r; /* the compiler does not know that the mode changed */
    r = op == '+' ? p + q : op == '-' ? p - q : op == '*' ? p * q : op == '/' ? p / q : __builtin_sqrt(p);
    soma__fpmode_leave(mode);
    return r;
}

#endif
