/* Pictures to batches: how many a second archives and folders of them give, read, decoded, stored and cut into batches, with one thread and with all;
 * the target is 10000 of CIFAR-10's a second with one core. And how many a second transforms make, with one thread. bench/images [--part PART]
 * [PATH...] With a path, transforms are left out. */
#include "soma/soma.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int failed(soma_context *ctx) {
    fprintf(stderr, "%s\n", soma_error_message(ctx));
    return 1;
}

/* Seconds that this process has computed: other work on the machine does not count. */
static double computed(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* From files to the last batch of the first epoch; nothing is kept from a run before but what the system caches. */
static int decoding(const char *path, const char *part) {
    for (int threads = 1; threads >= 0; threads--) {
        soma_context *ctx;
        soma_batch b;
        int64_t n = 0;
        if (soma_context_create(&ctx, &(soma_context_opts){.threads = threads}) != SOMA_OK) return 1;
        double from = soma_seconds(), busy = computed();
        soma_dataset *d = soma_dataset_images(ctx, path, &(soma_images_opts){.part = part});
        soma_loader *l = soma_loader_new(ctx, d, 128, &(soma_loader_opts){.shuffle = 1, .no_prefetch = threads == 1});
        if (!l) return failed(ctx);
        for (soma_loader_start(l, 0); soma_loader_next(l, &b);) n += b.count;
        double seconds = soma_seconds() - from, each = computed() - busy;
        printf("JPEG out of %s, %lld thread%s: %lld pictures to batches in %.2f s, %.0f/s; %.0f for each second of a core; digest %016llx\n",
               strstr(path, ".tar") ? "an archive" : "a folder", (long long)soma_context_threads(ctx), soma_context_threads(ctx) > 1 ? "s" : "",
               (long long)n, seconds, (double)n / seconds, (double)n / each, (unsigned long long)soma_dataset_digest(d));
        soma_context_free(ctx);
    }
    return 0;
}

/* Batches of n samples, with all that changes them. */
static int batches(const char *name, int colour, const soma_transform *list, size_t n) {
    enum { SAMPLES = 4000, SIDE = 32 };
    soma_context *ctx;
    soma_batch b;
    if (soma_context_create(&ctx, &(soma_context_opts){.threads = 1}) != SOMA_OK) return 1;
    soma_dataset *d = soma_dataset_glyphs(ctx, SAMPLES, NULL);
    if (colour) { /* records of CIFAR-10's size */
        static uint8_t records[SAMPLES][3073];
        for (int i = 0; i < SAMPLES; i++)
            for (int k = 1; k < 3073; k++) records[i][k] = (uint8_t)(i * 3 + k * k / 9);
        FILE *f = fopen("/tmp/soma-bench-batch", "wb");
        if (!f || fwrite(records, 1, sizeof records, f) != sizeof records || fclose(f) != 0) return 1;
        const char *path = "/tmp/soma-bench-batch";
        d = soma_dataset_cifar10(ctx, &path, 1);
        remove(path);
    }
    d = soma_dataset_transformed(ctx, d, list, n, 1);
    soma_loader *l = soma_loader_new(ctx, d, 128, &(soma_loader_opts){.shuffle = 1, .no_prefetch = 1});
    if (!l) return failed(ctx);
    double from = soma_seconds(), seconds = 0;
    int64_t samples = 0;
    for (int64_t epoch = 0; seconds < 0.5; epoch++) {
        soma_loader_start(l, epoch);
        while (soma_loader_next(l, &b)) samples += b.count;
        seconds = soma_seconds() - from;
    }
    printf("%-46s %8.0f samples/s\n", name, (double)samples / seconds);
    soma_context_free(ctx);
    return 0;
}

int main(int argc, char **argv) {
    static const soma_transform crop_flip[] = {{.kind = SOMA_TRANSFORM_random_crop, .size = {32, 32}, .padding = 4},
                                               {.kind = SOMA_TRANSFORM_horizontal_flip}},
                                more[] = {{.kind = SOMA_TRANSFORM_random_resized_crop, .size = {32, 32}},
                                          {.kind = SOMA_TRANSFORM_horizontal_flip},
                                          {.kind = SOMA_TRANSFORM_colour_jitter, .brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1}},
                                elastic[] = {{.kind = SOMA_TRANSFORM_elastic}},
                                affine[] = {{.kind = SOMA_TRANSFORM_affine, .degrees = 15, .translate = {0.1, 0.1}, .scale = {0.9, 1.1}}};
    int first = argc > 2 && strcmp(argv[1], "--part") == 0 ? 3 : 1;
    for (int i = first; i < argc; i++)
        if (decoding(argv[i], first == 3 ? argv[2] : NULL)) return 1;
    if (argc > first) return 0;
    return batches("3 x 32 x 32, as they are", 1, NULL, 0) || batches("3 x 32 x 32, random crop and flip", 1, crop_flip, 2) ||
           batches("3 x 32 x 32, resized crop, flip, colour jitter", 1, more, 3) || batches("28 x 28, elastic", 0, elastic, 1) ||
           batches("28 x 28, affine", 0, affine, 1);
}
