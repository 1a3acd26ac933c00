/* Any bytes as a picture, within a few pixels: decoded, resized, changed. The last byte says how. */
#include "soma/soma.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const soma_transform list[] = {{.kind = SOMA_TRANSFORM_random_resized_crop, .size = {9, 11}},
                                          {.kind = SOMA_TRANSFORM_affine, .degrees = 180, .scale = {0.1, 9}, .shear = 80, .translate = {1, 1}},
                                          {.kind = SOMA_TRANSFORM_elastic, .sigma = 1},
                                          {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 2, .contrast = 2, .saturation = 9, .hue = 0.5},
                                          {.kind = SOMA_TRANSFORM_cutout, .size = {30}}};
    soma_context *ctx;
    unsigned way = size ? data[size - 1] : 0;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 0;
    soma_image *i = soma_image_decode(ctx, data, size, &(soma_image_opts){.channels = way % 4 & 1 ? way % 4 : 0, .most_pixels = 1 << 16});
    if (i && (i->height * i->width > 1 << 16 || (i->channels != 1 && i->channels != 3))) __builtin_trap();
    if (!i && soma_error_status(ctx) == SOMA_OK) __builtin_trap();
    soma_image *small = i ? soma_image_resize(ctx, i, 1 + way % 7, 1 + way / 7, way & 1) : NULL;
    if (small) soma_image_transform(ctx, i, list, sizeof list / sizeof *list, 1, 0, way);
    if (small && soma_error_status(ctx) != SOMA_OK) __builtin_trap();
    soma_context_free(ctx);
    return 0;
}
