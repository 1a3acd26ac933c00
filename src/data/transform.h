/* Transforms as they run: planes of bytes in, planes of bytes out. */
#ifndef SOMA_SRC_DATA_TRANSFORM_H
#define SOMA_SRC_DATA_TRANSFORM_H

#include "soma/transforms.h"

/* Random words, a function of seed, epoch, sample and the transform's place; and of how many were drawn before. */
typedef struct soma__draws {
    uint64_t seed, stream, counter;
    uint32_t words[4];
    unsigned used;
} soma__draws;
uint32_t soma__draw_word(soma__draws *d);
double soma__draw_unit(soma__draws *d); /* in [0, 1), a multiple of 2^-24 */
double soma__draw_between(soma__draws *d, double least, double most);
int64_t soma__draw_below(soma__draws *d, int64_t n); /* 0 to n - 1, without bias */

typedef struct soma__frame {
    const uint8_t *in; /* [channels, height, width] */
    uint8_t *out;      /* [channels, to_height, to_width] */
    int64_t channels, height, width, to_height, to_width;
    void *room;
    soma__draws draws;
} soma__frame;

/* What a kind does. */
typedef struct soma__transform_row {
    bool (*run)(const soma_transform *t, soma__frame *f);                       /* false: out was not written, the picture stays */
    size_t (*room)(const soma_transform *t, const soma__frame *f);              /* scratch memory; NULL: none */
    bool (*shape)(const soma_transform *t, soma__frame *f, const char **wants); /* sets to_height and to_width; NULL: as they are */
} soma__transform_row;
extern const soma__transform_row soma__transform_rows[SOMA_TRANSFORM_KINDS];

/* A list for pictures of one shape, with defaults filled in. */
typedef struct soma__transforms {
    const soma_transform *list;
    size_t n, room; /* bytes of scratch memory of a run */
    size_t picture; /* of these so many each for two pictures */
    uint64_t seed;
    int64_t channels, height, width;
} soma__transforms;
/* NULL with the error pending; of the innermost scope. */
soma__transforms *soma__transforms_make(soma_context *ctx, const char *call, const soma_transform *list, size_t n, uint64_t seed, int64_t channels,
                                        int64_t height, int64_t width, int64_t *to_height, int64_t *to_width);
/* The picture of a sample; what it returns is `in`, or lies in room. */
const uint8_t *soma__transforms_run(const soma__transforms *t, int64_t epoch, int64_t sample, const uint8_t *in, void *room);

#define SOMA__RUN(id) bool soma__run_##id(const soma_transform *t, soma__frame *f);
SOMA__RUN(resize)
SOMA__RUN(centre_crop)
SOMA__RUN(random_crop)
SOMA__RUN(random_resized_crop)
SOMA__RUN(horizontal_flip)
SOMA__RUN(vertical_flip)
SOMA__RUN(rotation)
SOMA__RUN(affine)
SOMA__RUN(elastic)
SOMA__RUN(colour_jitter)
SOMA__RUN(cutout)
SOMA__RUN(grayscale)
#undef SOMA__RUN
size_t soma__elastic_room(const soma_transform *t, const soma__frame *f);

#endif
