/* Options of subcommands: one table, from which they are read and --help is printed. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void help(const cli_command *self, const cli_option *options, int n) {
    printf("%s\n\nUsage: soma %s %s%s[OPTIONS]\n\n", self->does, self->name, self->words, *self->words ? " " : "");
    for (int i = 0; i < n; i++) {
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-24s %s\n", left, options[i].help);
    }
    printf("  %-24s %s\n\nExample: %s\n", "--help", "this text", self->example);
}

static int wrong(const cli_command *self, const char *what, const char *word) {
    fprintf(stderr, "soma %s: %s%s%s; soma %s --help lists the options\n", self->name, what, *word ? " " : "", word, self->name);
    return CLI_USAGE;
}

static bool take(const cli_option *o, const char *value) {
    if (o->type == CLI_FLAG) *(bool *)o->into = true;
    else if (o->type == CLI_TEXT) *(const char **)o->into = value;
    else if (o->type == CLI_REPEATED) {
        cli_list *l = o->into;
        if (l->n == CLI_MOST) return false;
        l->texts[l->n++] = value;
    } else {
        char *end;
        errno = 0;
        long long v = strtoll(value, &end, 10);
        if (errno || *end || end == value || v < 0) return false;
        *(int64_t *)o->into = v;
    }
    return true;
}

int cli_read(const cli_command *self, int argc, char **argv, const cli_option *options, int n, cli_words *words, int least, int most) {
    words->n = 0;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *equals = strchr(word, '='), *value = NULL;
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            help(self, options, n);
            return CLI_FINE;
        }
        if (word[0] != '-' || !word[1]) {
            if (words->n == most || words->n == CLI_WORDS) return wrong(self, "one word too many:", word);
            words->words[words->n++] = word;
            continue;
        }
        int k = 0;
        while (k < n && (strlen(options[k].name) != length || strncmp(options[k].name, word, length) != 0)) k++;
        if (k == n) return wrong(self, "there is no option", word);
        if (options[k].type == CLI_FLAG && equals) return wrong(self, "no value goes with", options[k].name);
        if (options[k].type != CLI_FLAG) value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (options[k].type != CLI_FLAG && !value) return wrong(self, "a value is missing after", word);
        if (!take(&options[k], value))
            return wrong(self, options[k].type == CLI_INTEGER ? "a whole number of 0 or more is wanted after" : "too many of", options[k].name);
    }
    if (words->n < least) return wrong(self, "what is missing:", self->words);
    return -1;
}
