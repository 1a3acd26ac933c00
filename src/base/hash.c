/* Words of eight little-endian bytes, mixed by a multiplication and a shift: a single changed bit changes the state, which each later step maps one
 * to one. */
#include "base/hash.h"

#include <string.h>

static void mix(soma__hash *h, uint64_t word) {
    h->state = (h->state ^ word) * 0x9e3779b97f4a7c15u;
    h->state ^= h->state >> 32;
}

static void add_byte(soma__hash *h, uint8_t byte) {
    h->word |= (uint64_t)byte << 8 * h->held++;
    if (h->held < 8) return;
    mix(h, h->word);
    h->word = h->held = 0;
}

void soma__hash_add(soma__hash *h, const void *data, size_t n) {
    const uint8_t *at = data, *end = at + n;
    for (; at < end && h->held; at++) add_byte(h, *at);
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        mix(h, word);
    }
    for (; at < end; at++) add_byte(h, *at);
}

uint64_t soma__hash_end(soma__hash *h) {
    mix(h, h->word);
    mix(h, h->held);
    return h->state;
}
