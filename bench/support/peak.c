/* Independent chains of multiply-adds, all in registers: enough of them to cover a latency of four cycles in two units (12 chains)
 * or in four (24, where there are 32 registers). The threads start each block together; the best block counts, because a slower one
 * was disturbed. */
#include "support/peak.h"
#include "support/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define BLOCK_SECONDS 0.002
#define MAX_THREADS 256

/* Not known to the compiler, so that nothing is computed ahead. The chains run to a fixed point: 0.5 x + 0.5. */
static volatile float factor = 0.5F, addend = 0.5F;
static volatile float sink;

#define EACH12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#if defined(__aarch64__)
#define EACH24(X) EACH12(X) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#endif
#define DECLARE(i) c##i = a * (float)(i),
#define ADVANCE(i) c##i = FMA(c##i, m, a);
#define GATHER(i) all += c##i;
#define CHAINS(name, attributes, vector, each) \
    attributes static void name(long rounds) { \
        vector m = (vector){0} + factor, a = (vector){0} + addend, each(DECLARE) all = {0}; \
        for (; rounds > 0; rounds--) { each(ADVANCE) } \
        each(GATHER) sink = all[0]; \
    }

typedef float vec4 __attribute__((vector_size(16)));
#if defined(__x86_64__)
#define FMA(c, m, a) _mm512_fmadd_ps(c, m, a)
CHAINS(chains_avx512, __attribute__((target("avx512f"))), __m512, EACH12)
#undef FMA
#define FMA(c, m, a) _mm256_fmadd_ps(c, m, a)
CHAINS(chains_avx2, __attribute__((target("avx2,fma"))), __m256, EACH12)
#undef FMA
static bool has_avx512(void) { return __builtin_cpu_supports("avx512f"); }
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#elif defined(__aarch64__)
#define FMA(c, m, a) vfmaq_f32(a, c, m)
CHAINS(chains_neon, , float32x4_t, EACH24)
#undef FMA
#endif
/* What every machine of the architecture has: without a fused instruction, a multiplication and an addition. */
#define FMA(c, m, a) ((c) * (m) + (a))
CHAINS(chains_portable, , vec4, EACH12)
#undef FMA
static bool always(void) { return true; }

typedef struct instruction_set {
    const char *name;
    bool (*there)(void);
    void (*chains)(long rounds);
    double flops; /* of one round */
} instruction_set;

static const instruction_set sets[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, chains_avx512, 2.0 * 16 * 12},
    {"avx2", has_avx2, chains_avx2, 2.0 * 8 * 12},
#elif defined(__aarch64__)
    {"neon", always, chains_neon, 2.0 * 4 * 24},
#endif
    {"portable", always, chains_portable, 2.0 * 4 * 12},
};

typedef struct crew {
    void (*chains)(long rounds);
    long rounds;
    int blocks;
    pthread_barrier_t gate;
} crew;

static void *work(void *arg) {
    crew *c = arg;
    for (int i = 0; i < c->blocks; i++) {
        pthread_barrier_wait(&c->gate);
        c->chains(c->rounds);
        pthread_barrier_wait(&c->gate);
    }
    return NULL;
}

/* Seconds of the best block. The caller works as one of the threads. */
static double lead(crew *c) {
    double best = 0;
    for (int i = 0; i < c->blocks; i++) {
        pthread_barrier_wait(&c->gate);
        double start = bench_now();
        c->chains(c->rounds);
        pthread_barrier_wait(&c->gate);
        double took = bench_now() - start;
        if (i == 0 || took < best) best = took;
    }
    return best;
}

static long calibrate(void (*chains)(long rounds)) {
    for (long rounds = 1000;; rounds *= 2) {
        double start = bench_now();
        chains(rounds);
        if (bench_now() - start > BLOCK_SECONDS / 2) return rounds * 2;
    }
}

double bench_peak(const char *isa, int threads, double seconds) {
    const instruction_set *set = NULL;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (strcmp(sets[i].name, isa) == 0) set = &sets[i];
    if (!set || !set->there() || threads < 1 || threads > MAX_THREADS) return 0;
    crew c = {.chains = set->chains, .rounds = calibrate(set->chains), .blocks = 1 + (int)(seconds / BLOCK_SECONDS)};
    pthread_t others[MAX_THREADS];
    pthread_barrier_init(&c.gate, NULL, (unsigned)threads);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&others[i], NULL, work, &c) != 0) return 0;
    double best = lead(&c);
    for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
    pthread_barrier_destroy(&c.gate);
    return set->flops * (double)c.rounds * threads / best * 1e-9;
}
