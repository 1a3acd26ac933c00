/* Philox against the known answers of Random123 (kat_vectors, philox4x32 with 10 rounds). */
#include "support/check.h"

#include "base/random.h"

#include <string.h>

typedef struct answer {
    uint32_t counter[4], key[2], want[4];
} answer;
static const answer answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static uint64_t pair(const uint32_t w[2]) { return w[0] | (uint64_t)w[1] << 32; }

static void philox_gives_the_known_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        uint32_t got[4];
        soma__philox(pair(answers[i].key), pair(answers[i].counter + 2), pair(answers[i].counter), got);
        assert_memory_equal(got, answers[i].want, sizeof got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(philox_gives_the_known_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
