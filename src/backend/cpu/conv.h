/* A convolution by pixels, forward or backwards: each result is a chain over stretches of a source that has a border of zeros around it. Forward, the
 * source is the input, and a result's place times the stride is where its first kernel position lies. Backwards, the source is the output's gradient;
 * results whose places are equal modulo the stride are a phase, with kernel positions of its own. */
#ifndef SOMA_BACKEND_CPU_CONV_H
#define SOMA_BACKEND_CPU_CONV_H

#include "ops/conv.h"
#include "ops/winograd.h"

#define SOMA__CONV_SEGMENT 56  /* results whose channels are finished together */
#define SOMA__CONV_COLUMNS 512 /* channels of a piece of work, at most */
#define SOMA__CONV_ROOM 24576  /* floats of the source that a piece copies, about */
#define SOMA__CONV_CHAIN 4096  /* of k */
#define SOMA__CONV_BANDS 8     /* that a weight gradient's tile runs over at once, at most */
#define SOMA__CONV_LINES 1024  /* rows of pixels in those, at most */
#define SOMA__CONV_PIXELS 512  /* of a weight gradient's k: what a tile runs over at once, about */
#define SOMA__CONV_TILES 32    /* of Winograd's that are computed together */

typedef struct soma__conv_way {
    bool backwards;
    int64_t n, groups, in, out; /* samples; channels of a group: read, written */
    int64_t from[3], to[3];     /* sizes of the source and of the result */
    int64_t kernel[3], stride[3], pad[3], dilation[3];
    int64_t least[3], reach[3]; /* where the first place that a kernel position reads lies, from the origin; how far the last is from that */
    int64_t phases, positions;  /* of all dimensions together; kernel positions */
    int64_t lies[5];            /* the source's strides: sample, channel, the three dimensions */
    bool copies;                /* there is a border, or channels do not lie side by side: what is read is copied into a room */
    int64_t step[3];            /* strides of what is read: of the room, or of the source */
    int64_t room[3];            /* places of the source that a band reads, at most */
    int band;                   /* the dimension along which a sample is cut into bands */
    int64_t rows, bands;        /* results of a band along it; bands */
    int64_t cols, col_pieces;   /* channels of a piece of work of a group; pieces */
    int tile;                   /* Winograd's: results along each dimension; 0: the direct way */
    int64_t tiles[2];           /* along each dimension of a sample */
    int64_t group, at_once;     /* rows of tiles whose results are finished together; tiles that are computed together */
} soma__conv_way;

/* A band of a sample: its results, and what they read. */
typedef struct soma__conv_band {
    int64_t lo[3], hi[3];       /* results */
    int64_t origin[3];          /* of the first one */
    int64_t first[3], count[3]; /* places of the source */
    int64_t results, before;    /* how many there are, and in the sample before them */
} soma__conv_band;

/* Where the first kernel position of result o lies in the source, before `least` is added. */
static inline int64_t soma__conv_origin(const soma__conv_way *w, int d, int64_t o) {
    return w->backwards ? (o + w->pad[d]) / w->stride[d] : o * w->stride[d] - w->pad[d];
}
/* The way of a conv_forward or conv_data; false where the reference serves: nothing to do, or sizes beyond all that is usual. */
bool soma__conv_plan(const soma__call *c, soma__conv_way *w);
/* The same for a conv_weight: the result is the gradient of the output, which is read, too. */
bool soma__conv_weight_plan(const soma__call *c, soma__conv_way *w);
void soma__conv_band_of(const soma__conv_way *w, int64_t band, soma__conv_band *b);
/* Copies what the band of a sample reads, with its borders, to a room: channels side by side. */
void soma__conv_copy(const soma__conv_way *w, const soma__conv_band *b, const float *source, int64_t sample, float *room);
static inline int64_t soma__conv_room(const soma__conv_way *w) { return w->room[0] * w->room[1] * w->room[2] * w->groups * w->in; }
/* Floats from one row of a block to the next, for so many channels of each group: whole vectors fit behind the last one. */
static inline int64_t soma__conv_block(const soma__conv_way *w, int64_t cols) { return (w->groups * cols + 15) / 16 * 16 + (w->groups > 1 ? 16 : 0); }
/* Each channel by itself. */
static inline bool soma__conv_depthwise(const soma__conv_way *w) { return w->in == 1 && w->out == 1 && w->groups > 1; }
/* Places of a transformed tile. */
static inline int64_t soma__conv_places(const soma__conv_way *w) { return (int64_t)(w->tile + 2) * (w->tile + 2); }
/* Floats from one place of transformed tiles to the next: not a power of two, whose places would fall on each other in the cache. */
static inline int64_t soma__conv_apart(const soma__conv_way *w, int64_t channels) { return w->at_once * channels + 16; }
/* Floats of the packed weight. */
int64_t soma__conv_packed(const soma__conv_way *w);
/* Floats of what a thread copies and computes. */
int64_t soma__conv_own(const soma__conv_way *w);
/* Entries of the table of stretches, at most. */
int64_t soma__conv_stretches(const soma__conv_way *w);
int64_t soma__conv_scratch(const soma__call *c, int threads);
/* Chains of a weight gradient, bands whose pixels a tile of it runs over at once, and floats of what a thread copies. */
int64_t soma__conv_weight_chains(const soma__conv_way *w);
int64_t soma__conv_weight_bands(const soma__conv_way *w);
int64_t soma__conv_weight_own(const soma__conv_way *w);
int64_t soma__conv_weight_scratch(const soma__call *c, int threads);

#endif
