/* soma: train, measure and look at networks from a shell. */
#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const cli_command commands[] = {
    {"train", "RECIPE", "Trains a model; --resume goes on with a run.", "soma train recipes/glyphs-mlp.yaml --out runs/glyphs", cli_train},
    {"eval", "MODEL [TABLE|FOLDER]", "Measures on test data, a table or pictures.", "soma eval runs/glyphs --json", cli_eval},
    {"generate", "[NAME]", "Makes a data set as CSV; alone: lists them.", "soma generate moons > moons.csv", cli_generate},
    {"data", "TABLE|FOLDER|RECIPE", "Describes columns, classes, ranges, samples.", "soma data moons.csv", cli_data},
    {"new", "TABLE|FOLDER", "Writes a recipe for a table, or for pictures.", "soma new moons.csv > m.yaml && soma train m.yaml --out runs/moons",
     cli_new},
    {"predict", "MODEL [TABLE|PHOTO...]", "Answers for a table's rows, or pictures.", "soma predict runs/moons moons.csv --proba | head -3",
     cli_predict},
    {"features", "MODEL [TABLE]", "What a layer gives for the rows of a table.", "soma features runs/moons moons.csv --layer 1 -o moons.npy",
     cli_features},
    {"show", "MODEL [TABLE]", "Filters, features, mistakes as pictures.", "soma show runs/glyphs --filters --mistakes -o glyphs.png", cli_show},
    {"summary", "RECIPE|MODEL", "Lists layers, shapes, parameters, memory.", "soma summary recipes/glyphs-mlp.yaml", cli_summary},
    {"explain", "RECIPE", "Shows a step's plan: kernels, fusion, memory.", "soma explain recipes/glyphs-mlp.yaml", cli_explain},
    {"doctor", "", "Says what machine and build have.", "soma doctor", cli_doctor},
};
#define COMMANDS (int)(sizeof commands / sizeof *commands)

int cli_fail(const char *format, ...) {
    va_list args;
    char text[2048];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "soma: %s\n", cli_plain(text));
    return CLI_FAILED;
}

int cli_error(soma_context *ctx) { return cli_fail("%s", soma_error_message(ctx)); }

soma_context *cli_context(int64_t threads) {
    soma_context *ctx;
    soma_status s = soma_context_create(&ctx, &(soma_context_opts){.threads = threads});
    if (s == SOMA_OK) return ctx;
    if (s == SOMA_ERROR_ARGUMENT) cli_fail("--threads, SOMA_THREADS: 1 to 1024; SOMA_ISA: portable, avx2, avx512 or neon");
    else cli_fail("no context: %s", soma_status_name(s));
    return NULL;
}

void cli_score_text(char *out, size_t size, double accuracy, double r2, double mae) {
    if (isnan(accuracy)) snprintf(out, size, "R2 %.4f, mean absolute error %.4g", r2, mae);
    else snprintf(out, size, "accuracy %.2f %%", 100 * accuracy);
}

bool cli_colours(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

int cli_columns(void) {
    struct winsize w;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void cli_processor(char *out, size_t size) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = 0;
        snprintf(out, size, "%s", colon + 2);
        break;
    }
    if (f) fclose(f);
}

static void usage(FILE *to) {
    fprintf(to, "soma trains and runs neural networks.\n\nUsage: soma COMMAND [OPTIONS]\n\n");
    for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-9s %-22s %s\n", commands[i].name, commands[i].words, commands[i].does);
    fprintf(to, "\n  soma COMMAND --help    options of a command, with an example\n  soma --version\n\nExample: %s\n", commands[0].example);
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return CLI_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("soma %s\n", soma_version());
        return CLI_FINE;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 2, argv + 2, &commands[i]);
    cli_fail("there is no command '%s'; soma --help lists them", argv[1]);
    return CLI_USAGE;
}

int main(int argc, char **argv) {
    int status = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    cli_fail("what was said could not be written"); /* a full disk behind a redirection */
    return CLI_FAILED;
}
