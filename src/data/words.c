/* Words of tables: numbering, sorting, finding. */
#include "data/table.h"

#include "base/hash.h"
#include "data/cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 2048
_Static_assert(SLOTS >= 2 * SOMA__WORDS_MOST, "the table of words stays half empty");

const char *soma__copy_text(soma_scope *scope, const char *text, size_t n) {
    char *c = soma_scope_memory_in(scope, n + 1);
    if (c && n) memcpy(c, text, n);
    return c;
}

void soma__number_text(double v, char *out, size_t size) {
    double back;
    for (int digits = 15; digits <= 17; digits++) {
        int n = snprintf(out, size, "%.*g", digits, v);
        for (char *comma = out; (comma = strchr(comma, ',')); comma++) *comma = '.'; /* another locale's sign */
        if (n < 0 || (size_t)n >= size || (soma__cell_number(out, (size_t)n, '.', &back) && back == v)) return;
    }
}

int32_t soma__words_put(soma__words *w, soma_scope *scope, const char *text, size_t n) {
    soma__hash h = {0};
    soma__hash_add(&h, text, n);
    if (!w->slots) {
        w->slots = soma_scope_memory_in(scope, SLOTS * sizeof *w->slots);
        w->list = soma_scope_memory_in(scope, SOMA__WORDS_MOST * sizeof *w->list);
        if (!w->slots || !w->list) return w->slots = NULL, -2;
    }
    size_t at = (size_t)soma__hash_end(&h) % SLOTS;
    for (; w->slots[at]; at = (at + 1) % SLOTS) {
        const char *word = w->list[w->slots[at] - 1];
        if (strncmp(word, text, n) == 0 && !word[n]) return w->slots[at] - 1;
    }
    if (w->n == SOMA__WORDS_MOST) return -1;
    char *copy = (char *)soma__copy_text(scope, text, n);
    if (!copy) return -2;
    w->list[w->n] = copy;
    return (w->slots[at] = ++w->n) - 1;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }
static int by_number(const void *a, const void *b) {
    double x = 0, y = 0;
    const char *s = *(const char *const *)a, *t = *(const char *const *)b;
    soma__cell_number(s, strlen(s), '.', &x), soma__cell_number(t, strlen(t), '.', &y);
    return x < y ? -1 : x > y ? 1 : strcmp(s, t);
}

void soma__categories_sort(const char **list, int64_t n) {
    double v;
    bool numbers = true;
    for (int64_t i = 0; i < n && numbers; i++) numbers = soma__cell_number(list[i], strlen(list[i]), '.', &v);
    if (n > 1) qsort(list, (size_t)n, sizeof *list, numbers ? by_number : by_bytes);
}

int32_t soma__categories_find(const char *const *list, int64_t n, const char *text, size_t length) {
    for (int64_t i = 0; i < n; i++)
        if (strncmp(list[i], text, length) == 0 && !list[i][length]) return (int32_t)i;
    return -1;
}
