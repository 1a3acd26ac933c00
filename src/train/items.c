/* One value of a recipe against the tables: which word, which keys, which types; what is missing gets its default. */
#include "train/recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *copy(soma_recipe *r, const char *text) {
    size_t n = strlen(text) + 1;
    char *c = soma_scope_memory_in(r->scope, n);
    return c ? memcpy(c, text, n) : NULL;
}

void soma__problem(soma_recipe *r, const char *where, const char *format, ...) {
    soma__problem_list *p = &r->problems;
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (p->count == p->capacity) {
        size_t n = p->capacity ? 2 * p->capacity : 8;
        soma_problem *list = soma_scope_memory_in(r->scope, n * sizeof *list);
        if (!list) return;
        if (p->count) memcpy(list, p->list, p->count * sizeof *list);
        p->list = list, p->capacity = n;
    }
    soma_problem problem = {copy(r, where), copy(r, sentence)};
    if (problem.where && problem.sentence) p->list[p->count++] = problem;
}

soma_status soma__problem_raise(soma_recipe *r, size_t i, soma_status status) {
    return soma_error_raise(r->ctx, status, "recipe, %s: %s", r->problems.list[i].where, r->problems.list[i].sentence);
}

soma_status soma__problem_here(soma_recipe *r, const char *where) {
    char sentence[400];
    soma_status s = soma_error_status(r->ctx);
    if (s == SOMA_OK || s == SOMA_ERROR_MEMORY) return s;
    snprintf(sentence, sizeof sentence, "%s", soma_error_message(r->ctx));
    soma_error_take(r->ctx);
    soma__problem(r, where, "%s", sentence);
    return soma__problem_raise(r, r->problems.count - 1, s);
}

static const char *kind_name(const void *list, size_t i) {
    const soma__kinds *k = list;
    return i < k->n ? k->rows[i].name : NULL;
}
static const char *field_name(const void *list, size_t i) {
    const soma__kind *k = list;
    return i < k->n_fields ? k->fields[i].key : NULL;
}

/* "did you mean 'x'?", or all words. */
static void suggest(char *out, size_t size, const char *word, const char *(*next)(const void *, size_t), const void *list) {
    const char *near = soma__nearest(word, next, list), *w;
    int at = near ? snprintf(out, size, "did you mean '%s'?", near) : snprintf(out, size, "there are");
    for (size_t i = 0; !near && (w = next(list, i)) && at > 0 && (size_t)at < size; i++)
        at += snprintf(out + at, size - (size_t)at, "%s %s", i ? "," : "", w);
}

static const char *type_name(const json_t *v) {
    return json_is_object(v)    ? "a map"
           : json_is_array(v)   ? "a list"
           : json_is_string(v)  ? "text"
           : json_is_boolean(v) ? "true or false"
           : json_is_number(v)  ? "a number"
                                : "nothing";
}

static bool is_within(const soma__field *f, const json_t *v) {
    return json_is_integer(v) && (double)json_integer_value(v) >= f->least && (double)json_integer_value(v) <= f->most;
}

/* A list of whole numbers, in a field's range. */
static json_t *integers_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    json_t *item;
    size_t i;
    bool fits = json_is_array(v);
    if (fits) json_array_foreach(v, i, item) fits = fits && is_within(f, item);
    if (fits) return json_incref(v);
    soma__problem(r, where, "%s wants a list of whole numbers of at least %.10g, as [3, 6]", f->key, f->least);
    return NULL;
}

/* One whole number, or some; or the word. */
static json_t *sizes_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    json_t *item;
    size_t i;
    bool word = f->type == SOMA__PADDING, fits = is_within(f, v) || (word && json_is_string(v) && strcmp(json_string_value(v), "same") == 0);
    if (json_is_array(v) && json_array_size(v)) {
        fits = true;
        json_array_foreach(v, i, item) fits = fits && is_within(f, item);
    }
    if (fits) return json_incref(v);
    soma__problem(r, where, "%s wants a whole number of at least %.10g, or a list of them, as [3, 5]%s", f->key, f->least, word ? ", or same" : "");
    return NULL;
}

/* A list of numbers in a field's range; one alone stands for a list of it. Of a size: of two whole ones, and one alone for both. */
static json_t *numbers_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    bool size = f->type == SOMA__SIZE, pair = f->type == SOMA__PAIR, alone = json_is_number(v), fits = alone || json_is_array(v);
    json_t *list = json_array(), *item;
    size_t n = size && alone ? 2 : alone ? 1 : json_array_size(v);
    for (size_t i = 0; fits && i < n; i++) {
        item = alone ? v : json_array_get(v, i);
        double x = json_number_value(item);
        fits = (size ? json_is_integer(item) : json_is_number(item)) && x >= f->least && x <= f->most &&
               json_array_append_new(list, size ? json_integer((json_int_t)x) : json_real(x)) == 0;
    }
    if (fits && (pair ? n == 2 : !size || n == 2 || (!n && f->otherwise))) return list;
    json_decref(list);
    if (size) soma__problem(r, where, "%s wants a height and a width of at least %.10g, as [32, 32]", f->key, f->least);
    else if (pair) soma__problem(r, where, "%s wants two numbers in [%.10g, %.10g], as %s", f->key, f->least, f->most, f->otherwise);
    else soma__problem(r, where, "%s wants numbers in [%.10g, %.10g], as [0.5, 0.5]", f->key, f->least, f->most);
    return NULL;
}

static json_t *integer_text(const json_t *v) {
    char room[32];
    snprintf(room, sizeof room, "%lld", (long long)json_integer_value(v));
    return json_string(room);
}

/* A list of texts; numbers become texts. */
static json_t *texts_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    json_t *list = json_array(), *item;
    size_t i;
    bool fits = true, alone = json_is_string(v) || json_is_integer(v);
    if (alone && json_array_append_new(list, json_is_string(v) ? json_incref(v) : integer_text(v)) == 0) return list;
    if (json_is_array(v))
        json_array_foreach(v, i, item) fits = fits && (json_is_string(item) || json_is_integer(item)) &&
                                              json_array_append_new(list, json_is_string(item) ? json_incref(item) : integer_text(item)) == 0;
    if (json_is_array(v) && fits) return list;
    json_decref(list);
    soma__problem(r, where, "%s wants a list of texts, as [a, b]", f->key);
    return NULL;
}

static json_t *choice_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    const char *word = json_string_value(v), *doc = f->doc ? f->doc : "", *at = doc;
    char all[200];
    for (size_t n; word && at; at = at[n] == '|' ? at + n + 1 : NULL) {
        n = strcspn(at, "|:");
        if (strlen(word) == n && strncmp(at, word, n) == 0) return json_incref(v);
    }
    snprintf(all, sizeof all, "%.*s", (int)strcspn(doc, ":"), doc);
    for (char *bar; (bar = strchr(all, '|'));) *bar = ' ';
    if (word) soma__problem(r, where, "%s is '%.60s'; there are: %s", f->key, word, all);
    else soma__problem(r, where, "%s is %s; one of these words is wanted: %s", f->key, type_name(v), all);
    return NULL;
}

#define DEEPEST 16

/* A list of layers, or of schedules, written out; NULL with problems noted. */
static json_t *items_value(soma_recipe *r, const soma__kinds *kinds, const char *where, json_t *v) {
    json_t *list = json_array(), *layer;
    size_t i, before = r->problems.count;
    if (!json_is_array(v) || r->depth == DEEPEST) {
        if (json_is_array(v)) soma__problem(r, where, "lists of %ss within lists, more than %d deep", kinds->what, DEEPEST);
        else soma__problem(r, where, "a list of %ss is wanted", kinds->what);
        json_decref(list);
        return NULL;
    }
    r->depth++;
    json_array_foreach(v, i, layer) {
        soma__item item;
        char at[540];
        snprintf(at, sizeof at, "%s/%zu", where, i);
        soma__item_read(r, kinds, at, layer, &item);
        bool fine = r->problems.count == before && item.kind;
        if (fine && json_array_append_new(list, soma__item_json(&item)) != 0) soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
        json_decref(item.fields);
    }
    r->depth--;
    if (r->problems.count == before && soma_error_status(r->ctx) == SOMA_OK) return list;
    json_decref(list);
    return NULL;
}

static json_t *lists_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    json_t *lists = json_array(), *branch;
    size_t i, before = r->problems.count;
    if (!json_is_array(v) || !json_array_size(v))
        soma__problem(r, where, "%s wants a list of lists of layers, as [[{linear: 8}, tanh], [{linear: 8}]]", f->key);
    json_array_foreach(v, i, branch) {
        char at[540];
        snprintf(at, sizeof at, "%s/%zu", where, i);
        json_t *list = items_value(r, &soma__layers, at, branch);
        if (list) json_array_append_new(lists, list);
    }
    if (r->problems.count == before) return lists;
    json_decref(lists);
    return NULL;
}

/* The value as the field wants it (a new reference), or NULL with the problem noted. */
static json_t *field_value(soma_recipe *r, const soma__field *f, const char *where, json_t *v) {
    if (f->type == SOMA__TRUTH || f->type == SOMA__TEXT) {
        if (f->type == SOMA__TRUTH ? json_is_boolean(v) : json_is_string(v)) return json_incref(v);
        if (f->type == SOMA__TEXT && json_is_integer(v)) return integer_text(v); /* a column's number */
        soma__problem(r, where, "%s is %s; %s is wanted", f->key, type_name(v), f->type == SOMA__TRUTH ? "true or false" : "text");
        return NULL;
    }
    if (f->type == SOMA__INTEGERS) return integers_value(r, f, where, v);
    if (f->type == SOMA__SIZES || f->type == SOMA__PADDING) return sizes_value(r, f, where, v);
    if (f->type == SOMA__NUMBERS || f->type == SOMA__PAIR || f->type == SOMA__SIZE) return numbers_value(r, f, where, v);
    if (f->type == SOMA__TRANSFORMS) return items_value(r, &soma__transform_words, where, v);
    if (f->type == SOMA__TEXTS) return texts_value(r, f, where, v);
    if (f->type == SOMA__CHOICE) return choice_value(r, f, where, v);
    if (f->type == SOMA__LAYERS) return items_value(r, &soma__layers, where, v);
    if (f->type == SOMA__SCHEDULES) return items_value(r, &soma__schedules, where, v);
    if (f->type == SOMA__LAYER_LISTS) return lists_value(r, f, where, v);
    if (f->type == SOMA__COUNT && json_is_string(v) && strcmp(json_string_value(v), "all") == 0) return json_incref(v);
    double x = json_is_number(v) ? json_number_value(v) : 0;
    if (!json_is_number(v)) soma__problem(r, where, "%s is %s; a number is wanted", f->key, type_name(v));
    else if (f->type != SOMA__NUMBER && (!(x >= -9007199254740992.0 && x <= 9007199254740992.0) || (double)(int64_t)x != x))
        soma__problem(r, where, "%s is %g; a whole number is wanted", f->key, x);
    else if (x < f->least || x > f->most || (f->open_least && x == f->least) || (f->open_most && x == f->most)) {
        char least[32], most[32];
        snprintf(least, sizeof least, "%.10g", f->least), snprintf(most, sizeof most, "%.10g", f->most);
        bool upward = f->most == __builtin_inf() || f->most > 1e6; /* no limit that anybody meets */
        if (upward && x < f->most) soma__problem(r, where, "%s is %g; %s %s is wanted", f->key, x, f->open_least ? "more than" : "at least", least);
        else
            soma__problem(r, where, "%s is %g; a number in %s%s, %s%s is wanted", f->key, x, f->open_least ? "(" : "[", least, most,
                          f->open_most ? ")" : "]");
    } else return f->type != SOMA__NUMBER ? json_integer((json_int_t)x) : json_real(x);
    return NULL;
}

static void fill_defaults(soma_recipe *r, const soma__kind *kind, const char *where, json_t *given, soma__item *out) {
    for (size_t i = 0; i < kind->n_fields; i++) {
        const soma__field *f = &kind->fields[i];
        if (json_object_get(out->fields, f->key) || json_object_get(given, f->key)) continue;
        if (!f->otherwise) {
            soma__problem(r, where, "%s needs '%s' (%s)", kind->name, f->key, f->doc);
            continue;
        }
        json_t *v = json_loads(f->otherwise, JSON_DECODE_ANY, NULL);
        if (v && f->type == SOMA__NUMBER && json_is_integer(v)) {
            json_t *real = json_real((double)json_integer_value(v));
            json_decref(v);
            v = real;
        }
        for (size_t k = 0; (f->type == SOMA__NUMBERS || f->type == SOMA__PAIR) && k < json_array_size(v); k++) /* as they are read back */
            json_array_set_new(v, k, json_real(json_number_value(json_array_get(v, k))));
        if (!v || json_object_set_new(out->fields, f->key, v) != 0) soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
    }
}

/* bare: the value was written without its key. */
static void fields_read(soma_recipe *r, const soma__kind *kind, const char *where, json_t *value, const char *skip, bool bare, soma__item *out) {
    const char *key;
    json_t *v;
    out->kind = kind;
    out->fields = json_object();
    if (!out->fields) {
        soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
        return;
    }
    if (value && !json_is_object(value)) {
        soma__problem(r, where, "%s is %s; a map of keys and values is wanted", kind->name, type_name(value));
        return;
    }
    json_object_foreach(value, key, v) {
        char at[512], hint[400];
        if (skip && strcmp(key, skip) == 0) continue;
        const soma__field *f = soma__field_find(kind, key);
        bool lists = f && (f->type == SOMA__LAYERS || f->type == SOMA__LAYER_LISTS || f->type == SOMA__SCHEDULES || f->type == SOMA__TRANSFORMS);
        if (bare && lists) snprintf(at, sizeof at, "%s", where);
        else snprintf(at, sizeof at, "%s/%s", where, key);
        size_t before = r->problems.count;
        json_t *fine = f ? field_value(r, f, at, v) : NULL;
        if (f && !fine && r->problems.count == before) soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
        if (!f) {
            suggest(hint, sizeof hint, key, field_name, kind);
            soma__problem(r, at, "%s has no key '%s'; %s", kind->name, key, kind->n_fields ? hint : "it has none");
        } else if (fine && json_object_set_new(out->fields, key, fine) != 0) soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
    }
    fill_defaults(r, kind, where, value, out);
}

void soma__fields_read(soma_recipe *r, const soma__kind *kind, const char *where, json_t *value, const char *skip, soma__item *out) {
    fields_read(r, kind, where, value, skip, false, out);
}

/* A block without layers is one that is there; the first one says what it is. */
static void settle_block(soma_recipe *r, const char *where, soma__item *item) {
    const char *name = soma__get_text(item->fields, "name");
    json_t *layers = json_object_get(item->fields, "layers"), *known = name && r->blocks ? json_object_get(r->blocks, name) : NULL;
    if (!name || !layers) return;
    if (!r->blocks) r->blocks = json_object();
    if (!json_array_size(layers) && known) json_object_set(item->fields, "layers", known);
    else if (!json_array_size(layers)) soma__problem(r, where, "there is no block '%.60s' yet: its first use says its layers", name);
    else if (known && !json_equal(known, layers)) soma__problem(r, where, "block '%.60s' has other layers at its first use", name);
    else if (!known) json_object_set(r->blocks, name, layers);
}

static const soma__kind *find(soma_recipe *r, const soma__kinds *kinds, const char *where, const char *word) {
    const soma__kind *k = soma__kind_find(kinds, word);
    char hint[400];
    if (k) return k;
    suggest(hint, sizeof hint, word, kind_name, kinds);
    soma__problem(r, where, "unknown %s '%s'; %s", kinds->what, word, hint);
    return NULL;
}

void soma__item_read(soma_recipe *r, const soma__kinds *kinds, const char *where, json_t *value, soma__item *out) {
    *out = (soma__item){0};
    const char *word = json_string_value(value);
    json_t *fields = NULL;
    char at[512];
    snprintf(at, sizeof at, "%s", where);
    if (!word && json_is_object(value) && json_object_size(value) == 1) {
        void *first = json_object_iter(value);
        word = json_object_iter_key(first);
        fields = json_object_iter_value(first);
        snprintf(at, sizeof at, "%s/%s", where, word);
    }
    if (!word) {
        soma__problem(r, where, "%s is no %s; a word, or one word with its settings ({word: ...}), is wanted", type_name(value), kinds->what);
        return;
    }
    const soma__kind *kind = find(r, kinds, at, word);
    if (!kind) return;
    json_t *wrapped = NULL;
    if (fields && !json_is_object(fields) && !json_is_null(fields)) {
        if (!kind->main) {
            soma__problem(r, at, "%s takes no setting", kind->name);
            return;
        }
        wrapped = json_object();
        if (!wrapped || json_object_set(wrapped, kind->main, fields) != 0) soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "out of memory");
    }
    fields_read(r, kind, at, wrapped ? wrapped : json_is_object(fields) ? fields : NULL, NULL, wrapped != NULL, out);
    json_decref(wrapped);
    if (strcmp(kind->name, "block") == 0 && kinds == &soma__layers) settle_block(r, at, out);
}

char *soma__json_text(soma_context *ctx, soma_scope *scope, const json_t *v, size_t flags) {
    size_t n = v ? json_dumpb(v, NULL, 0, flags) : 0;
    char *text = n ? soma_scope_memory_in(scope, n + 1) : NULL;
    if (text && json_dumpb(v, text, n, flags) == n) return text;
    soma_error_raise(ctx, SOMA_ERROR_MEMORY, "out of memory");
    return NULL;
}

json_t *soma__item_json(const soma__item *i) {
    if (!i->kind->n_fields) return json_string(i->kind->name);
    json_t *fields = json_object();
    for (size_t k = 0; k < i->kind->n_fields && fields; k++) /* in the order of the table */
        if (json_object_set(fields, i->kind->fields[k].key, json_object_get(i->fields, i->kind->fields[k].key)) != 0)
            json_decref(fields), fields = NULL;
    json_t *whole = fields ? json_object() : NULL;
    if (whole && json_object_set(whole, i->kind->name, fields) != 0) json_decref(whole), whole = NULL;
    json_decref(fields);
    return whole;
}
