/* soma doctor: what this machine and this build have. */
#include "figure.h"

#include "support/peak.h"

#include <jansson.h>
#include <libfyaml.h>

int cli_doctor(int argc, char **argv, const cli_command *self) {
    int64_t threads = 0;
    const cli_option options[] = {{"--threads", "N", "default: one per processor", CLI_INTEGER, &threads}};
    cli_words w;
    int status = cli_read(self, argc, argv, options, 1, &w, 0, 0);
    if (status >= 0) return status;
    soma_context *ctx = cli_context(threads);
    if (!ctx) return CLI_FAILED;
    char cpu[200];
    cli_processor(cpu, sizeof cpu);
    int n = (int)soma_context_threads(ctx);
    double one = bench_peak(soma_context_isa(ctx), 1, 0.3), all = n > 1 ? bench_peak(soma_context_isa(ctx), n, 0.3) : one;
    printf("soma              %s\nprocessor         %s\ninstruction set   %s\nthreads           %d\n", soma_version(), cpu, soma_context_isa(ctx), n);
    printf("multiply-add peak %.0f GFLOP/s with one thread, %.0f with %d (float32)\n", one, all, n);
    printf("libraries         jansson %s, libfyaml %s, gzip files %s, PNG and JPEG %s, cairo %s\n", JANSSON_VERSION, fy_library_version(),
           soma_reads_gzip() ? "yes" : "no", soma_reads_images() ? "yes" : "no", cli_cairo() ? cli_cairo() : "no");
    soma_context_free(ctx);
    return CLI_FINE;
}
