/* soma generate: a data set that the library makes, as CSV. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static int list(void) {
    for (size_t i = 0; soma_generator_name(i); i++) printf("%-13s %s\n", soma_generator_name(i), soma_generator_doc(i));
    printf("%-13s %s\n", "glyphs", "digits of 28 x 28 pixels from 0 to 255, drawn by strokes");
    return CLI_FINE;
}

static int write_table(const soma_dataset *d) {
    const int64_t *shape;
    int64_t ndim, class;
    bool valued = soma_dataset_is_valued(d);
    double scale = soma_dataset_scale(d); /* of bytes: they are written as they are */
    float y = 0;
    soma_dataset_shape(d, &shape, &ndim);
    int64_t width = 1;
    for (int64_t k = 0; k < ndim; k++) width *= shape[k];
    float *x = malloc((size_t)width * sizeof *x);
    if (!x) return cli_fail("out of memory");
    for (int64_t k = 0; k < width; k++) printf("x%lld,", (long long)k + 1);
    printf(valued ? "y\n" : "class\n");
    for (int64_t i = 0; i < soma_dataset_count(d) && !ferror(stdout); i++) {
        soma_dataset_sample(d, i, x, &class);
        if (valued) soma_dataset_value(d, i, &y);
        for (int64_t k = 0; k < width; k++)
            if (scale != 1) printf("%d,", (int)((double)x[k] / scale + 0.5));
            else printf("%.9g,", (double)x[k]);
        if (valued) printf("%.9g\n", (double)y);
        else printf("%lld\n", (long long)class);
    }
    free(x);
    return CLI_FINE;
}

static int make(soma_context *ctx, const char *name, int64_t count, soma_generate_opts *o, const char *noise) {
    char *end;
    if (noise) {
        o->noise = SOMA_SET(strtod(noise, &end));
        if (end == noise || *end) return cli_fail("--noise: a number is wanted");
    }
    soma_dataset *d = strcmp(name, "glyphs") != 0
                          ? soma_dataset_generate(ctx, name, count, o)
                          : soma_dataset_glyphs(ctx, count, &(soma_glyph_opts){.seed = o->seed, .first = o->first, .noise = o->noise});
    return d ? write_table(d) : cli_error(ctx);
}

int cli_generate(int argc, char **argv, const cli_command *self) {
    int64_t count = 1000, seed = 1, first = 0, size = 0;
    const char *noise = NULL;
    const cli_option options[] = {
        {"--count", "N", "rows; default 1000", CLI_INTEGER, &count},
        {"--seed", "N", "default 1", CLI_INTEGER, &seed},
        {"--first", "N", "number of the first row; default 0", CLI_INTEGER, &first},
        {"--noise", "X", "deviation of inputs, or of a value", CLI_TEXT, &noise},
        {"--size", "N", "bits, classes or fields", CLI_INTEGER, &size},
    };
    cli_words w;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &w, 0, 1);
    if (status >= 0) return status;
    if (!w.n) return list();
    soma_context *ctx = cli_context(0);
    if (!ctx) return CLI_FAILED;
    soma_generate_opts o = {.seed = (uint64_t)seed, .first = first, .size = size};
    status = make(ctx, w.words[0], count, &o, noise);
    soma_context_free(ctx);
    return status;
}
