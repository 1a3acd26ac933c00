/* Digests of what is made of pictures: resizing, each transform, statistics, normalised samples, cutmix. Any machine must give the same. */
#include "soma/soma.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const char *name, const void *data, size_t n) { /* FNV-1a */
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
    printf("%s %016llx\n", name, (unsigned long long)h);
}

static const soma_transform list[SOMA_TRANSFORM_KINDS] = {
    {.kind = SOMA_TRANSFORM_resize, .size = {17, 40}},
    {.kind = SOMA_TRANSFORM_centre_crop, .size = {20, 21}},
    {.kind = SOMA_TRANSFORM_random_crop, .size = {30, 30}, .padding = 4},
    {.kind = SOMA_TRANSFORM_random_resized_crop, .size = {24, 24}},
    {.kind = SOMA_TRANSFORM_horizontal_flip},
    {.kind = SOMA_TRANSFORM_vertical_flip},
    {.kind = SOMA_TRANSFORM_rotation, .degrees = 40},
    {.kind = SOMA_TRANSFORM_affine, .degrees = 20, .translate = {0.1, 0.2}, .scale = {0.7, 1.4}, .shear = 15},
    {.kind = SOMA_TRANSFORM_elastic},
    {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.2},
    {.kind = SOMA_TRANSFORM_cutout, .size = {8}},
    {.kind = SOMA_TRANSFORM_grayscale, .p = {0.5, 1}},
};

static int failed(soma_context *ctx) {
    fprintf(stderr, "%s\n", soma_error_message(ctx));
    return 1;
}

int main(void) {
    enum { SIDE = 32, SAMPLES = 16, MOST = SIDE * 40 * 3 };
    static uint8_t pixels[SIDE * SIDE * 3], all[SAMPLES * MOST];
    static float floats[SAMPLES * 784], mask[30 * 20];
    soma_context *ctx;
    if (soma_context_create(&ctx, NULL) != SOMA_OK) return 1;
    for (int k = 0; k < SIDE * SIDE * 3; k++) pixels[k] = (uint8_t)(k * k / 7 + k % 3 * 60 + k / 96 * 5);
    const soma_image picture = {pixels, SIDE, SIDE, 3};
    for (int kind = 0; kind < SOMA_TRANSFORM_KINDS; kind++) {
        size_t n = 0;
        for (int i = 0; i < SAMPLES; i++) {
            soma_image *out = soma_image_transform(ctx, &picture, &list[kind], 1, 11, 2, i);
            if (!out) return failed(ctx);
            size_t bytes = (size_t)(out->height * out->width * out->channels);
            memcpy(all + n, out->pixels, bytes);
            n += bytes;
        }
        print(soma_transform_name(list[kind].kind), all, n);
    }
    soma_image *crop = soma_image_resize(ctx, &picture, 9, 23, true);
    double numbers[2];
    soma_dataset *d = soma_dataset_glyphs(ctx, SAMPLES, NULL);
    if (!crop || soma_dataset_statistics(d, &numbers[0], &numbers[1]) != SOMA_OK) return failed(ctx);
    print("crop", crop->pixels, 9 * 23 * 3);
    print("statistics", numbers, sizeof numbers);
    d = soma_dataset_normalised(ctx, d, &numbers[0], &numbers[1], 1);
    for (int64_t i = 0; i < SAMPLES; i++)
        if (soma_dataset_sample(d, i, floats + i * 784, NULL) != SOMA_OK) return failed(ctx);
    print("normalised", floats, sizeof floats);
    numbers[0] = soma_draw_cutmix(5, 6, 0.7, 30, 20, mask);
    print("cutmix", mask, sizeof mask);
    printf("digest %016llx\n", (unsigned long long)soma_dataset_digest(d));
    soma_context_free(ctx);
    return 0;
}
