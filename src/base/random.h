// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", 2011). A draw is a function of (key, stream, counter) and has no state, so any element can be made on any
// thread, and a checkpoint holds a few integers.
//
// Element i of a random op with counter base b uses word i % 4 of block b + i / 4. What needs two words an element
// uses words (0, 1) or (2, 3) of block b + i / 2. Streams handed out are below 2^56: the top byte numbers the redraws
// of bounded integers.
#ifndef SOMA_BASE_RANDOM_H
#define SOMA_BASE_RANDOM_H

#include <stdint.h>

// One block. The key is the seed as 2 x 32 bits, low word first; the 128-bit counter is (counter low, stream high).
void soma__philox(uint64_t key, uint64_t stream, uint64_t counter, uint32_t out[4]);

// Word i of the sequence that starts at block base.
uint32_t soma__random_word(uint64_t key, uint64_t stream, uint64_t base, uint64_t i);

// Blocks that n elements of `words` (1 or 2) words each take: what to add to the base for the next op.
uint64_t soma__random_blocks(uint64_t n, int words);

// [0, 1): 24 bits of one word.
static inline float soma__uniform_f32(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

// [0, 1): 53 bits, the high ones from `a`.
static inline double soma__uniform_f64(uint32_t a, uint32_t b) { return (double)(((uint64_t)(a >> 5) << 26) | (b >> 6)) * 0x1p-53; }

// Box-Muller. In each block elements (0, 1) come from words (0, 1) and elements (2, 3) from words (2, 3):
// u1 = ((a >> 8) + 1) * 2^-24 in (0, 1], u2 = uniform(b), r = sqrt(-2 log u1), t = 6.2831855f * u2,
// z[0] = r cos t, z[1] = r sin t, each operation rounded to float.
void soma__normal_f32(uint32_t a, uint32_t b, float z[2]);

// The same in double from one block: u1 = uniform_f64(w[0], w[1]) + 2^-53, u2 = uniform_f64(w[2], w[3]). Elements
// 2j and 2j + 1 come from block base + j.
void soma__normal_f64(const uint32_t w[4], double z[2]);

// Element i of a sequence of integers in [0, n), n > 0, without bias: Lemire's multiply and shift (2019) of word i, or
// of the word pair i when n > 2^32. A rejected draw is replaced by the one at the same place of stream
// `stream ^ (k << 56)`, k = 1, 2, ...
uint64_t soma__random_below(uint64_t key, uint64_t stream, uint64_t base, uint64_t i, uint64_t n);

// Element ranges [first, first + n) of the sequences that start at block base.
void soma__random_uniform_f32(uint64_t key, uint64_t stream, uint64_t base, uint64_t first, float *out, int64_t n);
void soma__random_uniform_f64(uint64_t key, uint64_t stream, uint64_t base, uint64_t first, double *out, int64_t n);
void soma__random_normal_f32(uint64_t key, uint64_t stream, uint64_t base, uint64_t first, float *out, int64_t n);
void soma__random_normal_f64(uint64_t key, uint64_t stream, uint64_t base, uint64_t first, double *out, int64_t n);

// A uniformly drawn permutation of 0 .. n-1 (n < 2^40) for this epoch: Fisher-Yates, step i swaps places i and
// i + below(n - i), with draws from base epoch * 2^40.
void soma__random_permutation(uint64_t key, uint64_t stream, uint64_t epoch, int64_t *perm, int64_t n);

#endif
