/* Finding words, and the nearest one to a word that is none. */
#include "train/words.h"

#include <string.h>

const soma__kind *soma__kind_find(const soma__kinds *kinds, const char *name) {
    for (size_t i = 0; i < kinds->n; i++)
        if (strcmp(kinds->rows[i].name, name) == 0) return &kinds->rows[i];
    return NULL;
}

const soma__field *soma__field_find(const soma__kind *kind, const char *key) {
    for (size_t i = 0; i < kind->n_fields; i++)
        if (strcmp(kind->fields[i].key, key) == 0) return &kind->fields[i];
    return NULL;
}

int soma__choice(const soma__kind *kind, const json_t *fields, const char *key) {
    const soma__field *f = soma__field_find(kind, key);
    const char *word = soma__get_text(fields, key), *at = f ? f->doc : NULL;
    for (int i = 0; word && at; i++) {
        size_t n = strcspn(at, "|:");
        if (strlen(word) == n && strncmp(at, word, n) == 0) return i;
        at = at[n] == '|' ? at + n + 1 : NULL;
    }
    return 0;
}

#define LONGEST 32

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Insertions, deletions, changes and exchanges of neighbours that lead from a to b (Damerau; optimal string alignment). */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), d[LONGEST + 1][LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n][m];
}

const char *soma__nearest(const char *word, const char *(*next)(const void *list, size_t i), const void *list) {
    const char *best = NULL, *w;
    size_t far = strlen(word) / 3 + 2; /* this many changes and it is another word */
    for (size_t i = 0; (w = next(list, i)); i++) {
        size_t d = distance(word, w);
        if (d < far && d < strlen(w)) far = d, best = w;
    }
    return best;
}
