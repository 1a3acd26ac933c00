/* Recipe files: YAML to JSON, and from the place of a problem back to line and column. */
#include "cli.h"

#include <jansson.h>
#include <libfyaml.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 20) /* bytes of a recipe */
#define DEPTH 32

/* Where a node begins: line and column from 1. */
static void place(struct fy_node *n, int *line, int *column) {
    const struct fy_mark *m = NULL;
    struct fy_token *t = n ? (fy_node_is_scalar(n) ? fy_node_get_scalar_token(n) : NULL) : NULL;
    if (t) m = fy_token_start_mark(t);
    *line = *column = 0;
    if (m) {
        *line = m->line + 1, *column = m->column + (fy_node_is_alias(n) ? 0 : 1); /* an alias's mark is behind its star */
        return;
    }
    if (n && fy_node_is_mapping(n)) {
        struct fy_node_pair *pair = fy_node_mapping_get_by_index(n, 0);
        if (pair) place(fy_node_pair_key(pair), line, column);
    } else if (n && fy_node_is_sequence(n) && fy_node_sequence_item_count(n) > 0) place(fy_node_sequence_get_by_index(n, 0), line, column);
}

/* The words that YAML's core schema gives a type; all else is text. */
static json_t *plain(const char *text, size_t length) {
    static const char *const yes[] = {"true", "True", "TRUE"}, *const no[] = {"false", "False", "FALSE"},
                             *const none[] = {"null", "~", "Null", "NULL", ""};
    char word[64], *end;
    if (length >= sizeof word) return json_stringn(text, length);
    memcpy(word, text, length);
    word[length] = 0;
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, yes[i]) == 0) return json_true();
        if (strcmp(word, no[i]) == 0) return json_false();
    }
    for (int i = 0; i < 5; i++)
        if (strcmp(word, none[i]) == 0) return json_null();
    if (strspn(word, "0123456789+-.eE_") != length || !strpbrk(word, "0123456789")) return json_stringn(text, length);
    errno = 0;
    long long i = strtoll(word, &end, 10);
    if (!*end && !errno) return json_integer(i);
    double d = strtod(word, &end);
    return *end ? json_stringn(text, length) : json_real(d);
}

typedef struct converter {
    const char *path;
    bool said;
} converter;

static json_t *refuse(converter *c, struct fy_node *n, const char *why) {
    int line, column;
    place(n, &line, &column);
    if (!c->said) fprintf(stderr, "%s:%d:%d: %s\n", c->path, line, column, why);
    c->said = true;
    return NULL;
}

static json_t *convert(converter *c, struct fy_node *n, int depth);

static json_t *convert_mapping(converter *c, struct fy_node *n, int depth) {
    json_t *out = json_object();
    struct fy_node_pair *pair;
    void *at = NULL;
    while (out && (pair = fy_node_mapping_iterate(n, &at))) {
        struct fy_node *key = fy_node_pair_key(pair);
        size_t length = 0;
        const char *text = key && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &length) : NULL;
        char name[256];
        json_t *value = NULL;
        if (!text || length >= sizeof name) refuse(c, key ? key : n, "a key must be a short word");
        else value = convert(c, fy_node_pair_value(pair), depth + 1);
        if (value) memcpy(name, text, length), name[length] = 0;
        if (value && json_object_get(out, name)) json_decref(value), value = refuse(c, key, "this key stands here twice");
        if (!value || json_object_set_new(out, name, value) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static json_t *convert(converter *c, struct fy_node *n, int depth) {
    if (!n) return json_null();
    if (depth > DEPTH) return refuse(c, n, "nested too deep");
    if (fy_node_is_alias(n)) return refuse(c, n, "anchors and aliases (& and *) are not used in recipes; write the value out");
    if (fy_node_is_mapping(n)) return convert_mapping(c, n, depth);
    if (fy_node_is_sequence(n)) {
        json_t *out = json_array();
        struct fy_node *item;
        void *at = NULL;
        while (out && (item = fy_node_sequence_iterate(n, &at))) {
            json_t *value = convert(c, item, depth + 1);
            if (!value || json_array_append_new(out, value) != 0) {
                json_decref(out);
                return NULL;
            }
        }
        return out;
    }
    size_t length = 0;
    const char *text = fy_node_get_scalar(n, &length);
    if (!text) return json_null();
    json_t *value = fy_node_get_style(n) == FYNS_PLAIN ? plain(text, length) : json_stringn(text, length);
    return value ? value : refuse(c, n, "this text is no UTF-8");
}

/* Is there nothing but blanks and comments? */
static bool is_empty(const char *text) {
    for (;; text++) {
        text += strspn(text, " \t\r\n");
        if (*text != '#') return !*text;
        text += strcspn(text, "\n");
        if (!*text) return true;
    }
}

/* The line of a directive (%YAML, %TAG), 0 without one: recipes need none, and libfyaml 0.7.12 does not come back from a broken one. */
static int directive_line(const char *text, size_t length) {
    int line = 1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%' && (!i || text[i - 1] == '\n' || text[i - 1] == '\r')) return line;
        line += text[i] == '\n';
    }
    return 0;
}

static struct fy_document *parse(const char *path, const char *text, size_t length) {
    int directive = directive_line(text, length);
    if (directive) {
        fprintf(stderr, "%s:%d:1: directives (%%) are not used in recipes\n", path, directive);
        return NULL;
    }
    struct fy_diag *diag = fy_diag_create(NULL);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET, .diag = diag};
    if (!diag) return NULL;
    fy_diag_set_collect_errors(diag, true);
    struct fy_document *d = fy_document_build_from_string(&cfg, text, length);
    struct fy_diag_error *e;
    void *at = NULL;
    bool said = false;
    while (!d && (e = fy_diag_errors_iterate(diag, &at))) {
        fprintf(stderr, "%s:%d:%d: %s\n", path, e->line > 0 ? e->line : 1, e->column > 0 ? e->column : 1, e->msg);
        said = true;
    }
    if (!d && !said) fprintf(stderr, "%s:1:1: no YAML\n", path);
    fy_diag_destroy(diag);
    return d;
}

/* Sets root.a.b.0 = value; false when the path is no path. */
static bool set_value(json_t *root, const char *path, json_t *value) {
    json_t *at = root;
    for (;;) {
        size_t n = strcspn(path, ".");
        char key[128];
        if (!n || n >= sizeof key) return false;
        memcpy(key, path, n);
        key[n] = 0;
        bool last = !path[n];
        path += n + 1;
        if (json_is_array(at)) {
            char *end;
            size_t i = strtoul(key, &end, 10);
            if (*end || i >= json_array_size(at)) return false;
            if (last) return json_array_set(at, i, value) == 0;
            json_t *next = json_array_get(at, i);
            if (!json_is_object(next) && !json_is_array(next)) next = json_object(), json_array_set_new(at, i, next);
            at = next;
        } else {
            if (last) return json_object_set(at, key, value) == 0;
            json_t *next = json_object_get(at, key);
            if (!json_is_object(next) && !json_is_array(next)) next = json_object(), json_object_set_new(at, key, next);
            at = next;
        }
        if (!at) return false;
    }
}

static bool apply_sets(json_t *root, const cli_list *sets) {
    for (int i = 0; sets && i < sets->n; i++) {
        const char *equals = strchr(sets->texts[i], '=');
        char path[512];
        size_t n = equals ? (size_t)(equals - sets->texts[i]) : 0;
        if (!equals || !n || n >= sizeof path)
            return cli_fail("--set %s: key.path=value is wanted, as in --set train.epochs=3", sets->texts[i]), false;
        memcpy(path, sets->texts[i], n);
        path[n] = 0;
        struct fy_document *d = parse("--set", equals + 1, strlen(equals + 1));
        converter c = {"--set", false};
        json_t *value = d ? convert(&c, fy_document_root(d), 0) : NULL;
        fy_document_destroy(d);
        bool fine = value && set_value(root, path, value);
        json_decref(value);
        if (!fine) return cli_fail("--set %s: there is no such place", sets->texts[i]), false;
    }
    return true;
}

/* The key of a mapping that has this name, and its value. */
static struct fy_node *lookup(struct fy_node *n, const char *name, size_t length, struct fy_node **value) {
    struct fy_node_pair *pair;
    void *at = NULL;
    while ((pair = fy_node_mapping_iterate(n, &at))) {
        size_t have = 0;
        const char *text = fy_node_get_scalar(fy_node_pair_key(pair), &have);
        if (text && have == length && memcmp(text, name, length) == 0) return *value = fy_node_pair_value(pair), fy_node_pair_key(pair);
    }
    return NULL;
}

/* Line and column of a place as far as the file has it. */
static void locate(struct fy_document *d, const char *where, int *line, int *column) {
    struct fy_node *n = fy_document_root(d), *best = n;
    while (n && *where == '/' && where[1]) {
        size_t length = strcspn(++where, "/");
        struct fy_node *next = NULL, *key = fy_node_is_mapping(n) ? lookup(n, where, length, &next) : NULL;
        if (fy_node_is_sequence(n)) key = next = fy_node_sequence_get_by_index(n, atoi(where));
        if (!key) break;
        best = key;
        n = next;
        where += length;
    }
    place(best, line, column);
    if (!*line) *line = *column = 1;
}

/* The --set that a place comes from, or NULL. */
static const char *set_of(const cli_list *sets, const char *where) {
    for (int i = sets ? sets->n : 0; i-- > 0;) {
        const char *s = sets->texts[i], *w = where + (*where == '/');
        while (*s && *s != '=' && *w && (*s == *w || (*s == '.' && *w == '/'))) s++, w++;
        if (*s == '=' && (!*w || *w == '/')) return sets->texts[i];
    }
    return NULL;
}

void cli_recipe_complain(const cli_recipe *r, size_t from) {
    soma_problem p;
    for (size_t i = from; soma_recipe_problem(r->recipe, i, &p) == SOMA_OK; i++) {
        const char *set = set_of(r->sets, p.where);
        int line, column;
        locate(r->document, p.where, &line, &column);
        if (set) fprintf(stderr, "--set %s: %s\n", set, p.sentence);
        else fprintf(stderr, "%s:%d:%d: %s\n", r->path, line, column, p.sentence);
    }
}

bool cli_recipe_read(soma_context *ctx, const char *path, const cli_list *sets, cli_recipe *out) {
    char *text;
    size_t bytes;
    if (soma_file_read(ctx, path, FILE_MOST, &text, &bytes) != SOMA_OK) return cli_error(ctx), false;
    return cli_recipe_parse(ctx, path, text, bytes, sets, out);
}

bool cli_recipe_parse(soma_context *ctx, const char *path, const char *text, size_t bytes, const cli_list *sets, cli_recipe *out) {
    char *json = NULL;
    const char *slash = strrchr(path, '/');
    *out = (cli_recipe){.path = path, .name = slash ? slash + 1 : path, .sets = sets};
    if (is_empty(text)) {
        fprintf(stderr, "%s:1:1: the recipe is empty; a map of data, model, loss, optimizer and train is wanted\n", path);
        return false;
    }
    out->document = parse(path, text, bytes);
    converter c = {path, false};
    json_t *root = out->document ? convert(&c, fy_document_root(out->document), 0) : NULL;
    if (root && apply_sets(root, sets) && !(json = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY))) cli_fail("out of memory");
    json_decref(root);
    if (json && !(out->recipe = soma_recipe_read(ctx, json, strlen(json)))) cli_error(ctx);
    free(json);
    if (!out->recipe) return cli_recipe_close(out), false;
    cli_recipe_complain(out, 0);
    if (!soma_recipe_problem_count(out->recipe)) return true;
    cli_recipe_close(out);
    return false;
}

void cli_recipe_close(cli_recipe *r) {
    fy_document_destroy(r->document);
    r->document = NULL;
}

/* Text as YAML reads it back: plain where that is text, else as JSON quotes it. */
static void emit_scalar(FILE *to, const json_t *v) {
    const char *text = json_string_value(v);
    json_t *back = text ? plain(text, strlen(text)) : NULL;
    bool simple = text && json_is_string(back) && *text &&
                  strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == strlen(text) && text[0] != '-';
    json_decref(back);
    char *dumped = simple ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    json_t *again = dumped ? json_loads(dumped, JSON_DECODE_ANY, NULL) : NULL;
    if (dumped && !json_equal(v, again)) { /* a number that needs all its digits */
        free(dumped);
        dumped = json_dumps(v, JSON_ENCODE_ANY);
    }
    json_decref(again);
    fputs(simple ? text : dumped ? dumped : "null", to);
    free(dumped);
}

static void emit_flow(FILE *to, const json_t *v) {
    const char *key;
    json_t *value;
    size_t i;
    bool first = true;
    if (json_is_object(v)) {
        fputc('{', to);
        json_object_foreach((json_t *)(uintptr_t)v, key, value) {
            fprintf(to, "%s%s: ", first ? "" : ", ", key);
            emit_flow(to, value);
            first = false;
        }
        fputc('}', to);
    } else if (json_is_array(v)) {
        fputc('[', to);
        json_array_foreach(v, i, value) {
            if (i) fputs(", ", to);
            emit_flow(to, value);
        }
        fputc(']', to);
    } else emit_scalar(to, v);
}

/* A line for each section, and for each layer. */
char *cli_yaml_of(const char *json) {
    char *text = NULL;
    size_t size = 0;
    json_t *root = json ? json_loads(json, 0, NULL) : NULL, *value, *layer;
    FILE *to = root ? open_memstream(&text, &size) : NULL;
    const char *key;
    size_t i;
    if (to) json_object_foreach(root, key, value) {
            fprintf(to, json_is_array(value) ? "%s:\n" : "%s: ", key);
            if (!json_is_array(value)) emit_flow(to, value), fputc('\n', to);
            json_array_foreach(value, i, layer) {
                fputs("  - ", to);
                emit_flow(to, layer);
                fputc('\n', to);
            }
        }
    bool fine = to && !ferror(to);
    if (to && fclose(to) != 0) fine = false;
    json_decref(root);
    if (!fine) free(text), text = NULL;
    return text;
}
