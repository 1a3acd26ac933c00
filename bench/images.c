/* Pictures to samples: how many a second an archive or a folder of them gives, with one thread and with all. bench/images PATH [PART] */
#include "soma/soma.h"

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc < 2) return 0;
    for (int threads = 1; threads >= 0; threads--) {
        soma_context *ctx;
        if (soma_context_create(&ctx, &(soma_context_opts){.threads = threads}) != SOMA_OK) return 1;
        double from = soma_seconds();
        soma_dataset *d = soma_dataset_images(ctx, argv[1], &(soma_images_opts){.part = argc > 2 ? argv[2] : NULL});
        double seconds = soma_seconds() - from;
        if (!d) return fprintf(stderr, "%s\n", soma_error_message(ctx)), 1;
        printf("%lld threads: %lld pictures in %.2f s, %.0f pictures/s; digest %016llx\n", (long long)soma_context_threads(ctx),
               (long long)soma_dataset_count(d), seconds, (double)soma_dataset_count(d) / seconds, (unsigned long long)soma_dataset_digest(d));
        soma_context_free(ctx);
    }
    return 0;
}
