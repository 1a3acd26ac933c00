/* What a model says of a picture: predict MODEL.safetensors PICTURE.pgm. The picture is an 8-bit grey PGM (P5) of the size that the model learned
 * from, light on dark as MNIST's. */
#include <soma/soma.h>

#include <stdio.h>
#include <stdlib.h>

/* Pixels of a P5 file of this size; NULL with a word on stderr. */
static uint8_t *read_pgm(const char *path, int64_t height, int64_t width) {
    int w = 0, h = 0, most = 0, end = 0;
    FILE *f = fopen(path, "rb");
    uint8_t *pixels = malloc((size_t)(height * width));
    if (!f) perror(path);
    else if (fscanf(f, "P5 %d %d %d%n", &w, &h, &most, &end) != 3 || !end || most != 255 || fgetc(f) == EOF)
        fprintf(stderr, "%s: no 8-bit PGM of kind P5 without comments\n", path);
    else if (w != width || h != height) fprintf(stderr, "%s: %d x %d pixels; the model wants %d x %d\n", path, w, h, (int)width, (int)height);
    else if (!pixels || fread(pixels, 1, (size_t)(height * width), f) != (size_t)(height * width)) fprintf(stderr, "%s: pixels are missing\n", path);
    else return fclose(f), pixels;
    if (f) fclose(f);
    free(pixels);
    return NULL;
}

int main(int argc, char **argv) {
    soma_context *ctx;
    soma_model *model;
    const int64_t *shape;
    int64_t ndim;
    if (argc != 3) return fprintf(stderr, "usage: predict MODEL.safetensors PICTURE.pgm\n"), 2;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return 1;
    int status = 1;
    if (soma_model_load(ctx, argv[1], &model) == SOMA_OK && soma_model_input(model, &shape, &ndim) == SOMA_OK && ndim == 2) {
        int64_t classes = soma_model_outputs(model), best = 0;
        float *p = malloc((size_t)classes * sizeof *p);
        uint8_t *pixels = read_pgm(argv[2], shape[0], shape[1]);
        if (p && pixels && soma_model_predict_bytes(model, pixels, 1, p) == SOMA_OK) {
            for (int64_t c = 1; c < classes; c++)
                if (p[c] > p[best]) best = c;
            printf("class %d, %.1f %%\n", (int)best, 100 * (double)p[best]);
            status = 0;
        }
        free(pixels);
        free(p);
    }
    if (soma_error_status(ctx) != SOMA_OK) fprintf(stderr, "predict: %s\n", soma_error_message(ctx));
    soma_context_free(ctx);
    return status;
}
