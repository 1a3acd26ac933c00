/* Data sets and the loader that cuts them into batches. */
#ifndef SOMA_DATA_H
#define SOMA_DATA_H

#include "soma/context.h"

/* Samples with their targets, as torch.utils.data.Dataset: float32 inputs, and a class or a number each. Belongs to the innermost scope. */
typedef struct soma_dataset soma_dataset;
struct soma_columns; /* see soma/table.h */
struct soma_table;
/* Batches of a data set in the order of an epoch, as torch.utils.data.DataLoader. */
typedef struct soma_loader soma_loader;

typedef struct soma_idx_opts {
    soma_optional scale; /* inputs are bytes * scale; default 1/255 */
    uint64_t reserved[4];
} soma_idx_opts;
/* Two idx files (a path that is not there is tried with .gz), plain (memory-mapped: they must not shrink while they are in use) or .gz: images [n,
 * ...] of unsigned bytes and labels [n]. Errors name the file and what was expected: SOMA_ERROR_IO (it cannot be read), SOMA_ERROR_FORMAT (no idx
 * file of bytes, truncated, counts that disagree or are 0), SOMA_ERROR_UNSUPPORTED (.gz without zlib). */
SOMA_WITH_OPTS(soma_dataset *, soma_dataset_idx, (soma_context * ctx, const char *images, const char *labels), (ctx, images, labels), soma_idx_opts)
/* Arrays in memory, borrowed until the scope closes: inputs [count, features...] (shape is that of one sample), targets [count], as
 * torch.utils.data.TensorDataset. SOMA_ERROR_ARGUMENT for a NULL array, a count below 1, or a size below 1 in the shape. */
SOMA_API soma_dataset *soma_dataset_arrays(soma_context *ctx, const float *inputs, const int64_t *targets, int64_t count, const int64_t *shape,
                                           int64_t ndim);
/* The same with a number for each sample as its target, for regression. */
SOMA_API soma_dataset *soma_dataset_values(soma_context *ctx, const float *inputs, const float *values, int64_t count, const int64_t *shape,
                                           int64_t ndim);
typedef struct soma_glyph_opts {
    uint64_t seed;       /* of the drawing; default 0 */
    int64_t first;       /* number of the first sample; default 0 */
    soma_optional noise; /* of the pixels, in [0, 1]; default 0.1 */
    uint64_t reserved[4];
} soma_glyph_opts;
/* count digits of 28 x 28 bytes, drawn by the library: strokes with random position, slant, size, bend and thickness. Sample i is a function of seed,
 * first + i and noise alone. SOMA_ERROR_ARGUMENT for a count below 1 or noise outside [0, 1]. */
SOMA_WITH_OPTS(soma_dataset *, soma_dataset_glyphs, (soma_context * ctx, int64_t count), (ctx, count), soma_glyph_opts)
/* The generators of generators.def, by name: "moons", "xor_gate", "friedman1", ... */
typedef struct soma_generate_opts {
    uint64_t seed;       /* default 0 */
    int64_t first;       /* number of the first sample; default 0 */
    int64_t size;        /* bits, classes or fields of those that have them, 2 to 64; default: the row's */
    soma_optional noise; /* 0 or more; default: the row's */
    uint64_t reserved[4];
} soma_generate_opts;
/* count samples; sample i is a function of name, seed, size, noise and first + i alone. SOMA_ERROR_ARGUMENT for another name, or a number outside its
 * range. */
SOMA_WITH_OPTS(soma_dataset *, soma_dataset_generate, (soma_context * ctx, const char *name, int64_t count), (ctx, name, count), soma_generate_opts)
/* Generator i and what it makes; NULL beyond the last. */
SOMA_API const char *soma_generator_name(size_t i);
SOMA_API const char *soma_generator_doc(size_t i);
/* A draw from the beta distribution of alpha (above 0) and alpha, a function of seed and counter; for mixup. NaN for another alpha. */
SOMA_API double soma_draw_beta(uint64_t seed, uint64_t counter, double alpha);
/* A box for cutmix (Yun et al. 2019), as torchvision's CutMix draws it: of about the area 1 - b, b a draw from the beta distribution of alpha and
 * alpha, somewhere, cut at the border. mask [height, width] becomes 0 in it and 1 elsewhere. Returns the share that is 1; a function of seed,
 * counter, alpha and sizes. NaN for an alpha that is not above 0, sizes below 1, NULL. */
SOMA_API double soma_draw_cutmix(uint64_t seed, uint64_t counter, double alpha, int64_t height, int64_t width, float *mask);
/* What bytes are multiplied by to become inputs; 1 where inputs are floats already. */
SOMA_API double soma_dataset_scale(const soma_dataset *d);
/* One more than the largest class, of a table the classes that it has; 0 for NULL and for targets that are numbers. Looks at all targets. */
SOMA_API int64_t soma_dataset_classes(const soma_dataset *d);
/* Are targets numbers? */
SOMA_API bool soma_dataset_is_valued(const soma_dataset *d);
/* How a table's rows became these samples; NULL for other data. */
SOMA_API struct soma_columns *soma_dataset_columns(const soma_dataset *d);
/* The table itself; NULL for other data. */
SOMA_API const struct soma_table *soma_dataset_table(const soma_dataset *d);
/* Sample i: inputs as the loader gives them (room for all features), or NULL; its class. SOMA_ERROR_RANGE for another number. */
SOMA_API soma_status soma_dataset_sample(const soma_dataset *d, int64_t i, float *inputs, int64_t *target);
/* Sample i's target where targets are numbers: as it is learned, that is, scaled if the table's columns say so. */
SOMA_API soma_status soma_dataset_value(const soma_dataset *d, int64_t i, float *value);
/* Was the library built with zlib? */
SOMA_API bool soma_reads_gzip(void);
/* Samples; 0 for NULL. */
SOMA_API int64_t soma_dataset_count(const soma_dataset *d);
/* The shape of one sample, valid as long as the data set. SOMA_ERROR_ARGUMENT for NULL. */
SOMA_API soma_status soma_dataset_shape(const soma_dataset *d, const int64_t **shape, int64_t *ndim);

typedef struct soma_loader_opts {
    int64_t shuffle;     /* default off */
    int64_t drop_last;   /* leaves out a last batch that is not full; default off */
    uint64_t seed;       /* of the order; default 0 */
    int64_t no_prefetch; /* nonzero: batches are made by the calling thread; the same batches */
    uint64_t reserved[4];
} soma_loader_opts;
/* Cuts a data set into batches. batch is 1 or more, else SOMA_ERROR_ARGUMENT. The order is a function of seed and epoch alone. Belongs to the
 * innermost scope. */
SOMA_WITH_OPTS(soma_loader *, soma_loader_new, (soma_context * ctx, soma_dataset *d, int64_t batch), (ctx, d, batch), soma_loader_opts)

/* count is the loader's batch, save for a last one that is not full. */
typedef struct soma_batch {
    const float *inputs;    /* [count, features...] */
    const int64_t *targets; /* [count] */
    int64_t count;
    const float *values; /* [count], of data whose targets are numbers; else NULL */
} soma_batch;
/* Starts an epoch (0, 1, ...) at its first batch; one that runs is left. SOMA_ERROR_ARGUMENT for NULL. */
SOMA_API soma_status soma_loader_start(soma_loader *l, int64_t epoch);
/* The epoch, and how many of its batches were handed out. */
SOMA_API soma_status soma_loader_position(const soma_loader *l, int64_t *epoch, int64_t *next);
/* Goes to a position: the next batch will be number `next` of the epoch. SOMA_ERROR_RANGE for a negative epoch or a batch beyond the last. */
SOMA_API soma_status soma_loader_seek(soma_loader *l, int64_t epoch, int64_t next);
/* The next batch, valid until the next call; false at the end of the epoch. */
SOMA_API bool soma_loader_next(soma_loader *l, soma_batch *out);
/* Batches in an epoch, as len(loader); 0 for NULL. */
SOMA_API int64_t soma_loader_count(const soma_loader *l);

#endif
