/* The tar format (POSIX.1-2001, pax: ustar headers with records of longer names; and GNU's long names). Sizes are claims: memory grows only by what
 * is really there. */
#include "data/tar.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512
#define LONGEST ((uint64_t)1 << 20) /* of a name, or of pax records */

static soma_status broken(char *why, size_t size, const char *what) {
    snprintf(why, size, "%s", what);
    return SOMA_ERROR_FORMAT;
}

/* Reads n bytes; *n becomes fewer only at the end. */
static soma_status fill(soma__tar *t, void *out, size_t *n, char *why, size_t why_size) {
    size_t have = 0, got = 1;
    while (have < *n && got) {
        soma_status s = soma__stream_read(&t->stream, (char *)out + have, *n - have, &got, why, why_size);
        if (s != SOMA_OK) return s;
        have += got;
    }
    *n = have;
    return SOMA_OK;
}

static soma_status skip(soma__tar *t, uint64_t n, char *why, size_t why_size) {
    char room[8192];
    while (n) {
        size_t part = n < sizeof room ? (size_t)n : sizeof room, want = part;
        soma_status s = fill(t, room, &part, why, why_size);
        if (s != SOMA_OK) return s;
        if (part < want) return broken(why, why_size, "the archive ends in the middle of a file");
        n -= part;
    }
    return SOMA_OK;
}

/* A number of a header: octal text, or base 256 behind a set bit. False for what is none. */
static bool number(const uint8_t *field, int n, uint64_t *out) {
    uint64_t v = 0;
    int i = 0;
    if (field[0] & 0x80) {
        if (field[0] != 0x80) return false;
        for (i = 1; i < n; i++) {
            if (v >> 55) return false;
            v = v << 8 | field[i];
        }
        *out = v;
        return true;
    }
    while (i < n && field[i] == ' ') i++;
    int first = i;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) v = v << 3 | (uint64_t)(field[i] - '0');
    *out = v;
    return i > first && (i == n || field[i] == ' ' || !field[i]);
}

static bool sum_fits(const uint8_t *h) {
    uint64_t wanted;
    int64_t plain = 0, with_sign = 0;
    for (int i = 0; i < BLOCK; i++) {
        int v = i >= 148 && i < 156 ? ' ' : h[i];
        plain += v, with_sign += (int8_t)v;
    }
    return number(h + 148, 8, &wanted) && ((int64_t)wanted == plain || (int64_t)wanted == with_sign);
}

static bool put_text(soma__bytes *b, const uint8_t *text, size_t most) {
    size_t n = 0;
    while (n < most && text[n]) n++;
    return soma__bytes_put(b, text, n);
}

/* The value of a record "LENGTH key=value\n" among pax records; the last one counts. */
static bool pax_value(const soma__bytes *records, const char *key, const uint8_t **value, size_t *n) {
    bool found = false;
    size_t key_n = strlen(key);
    for (size_t at = 0; at < records->size;) {
        size_t length = 0, i = at;
        while (i < records->size && records->data[i] >= '0' && records->data[i] <= '9' && length < LONGEST)
            length = length * 10 + (size_t)(records->data[i++] - '0');
        if (i == at || i >= records->size || records->data[i] != ' ' || length <= i + 1 - at || length > records->size - at) return false;
        const uint8_t *text = records->data + i + 1;
        size_t rest = length - (i + 1 - at);
        if (rest > key_n + 1 && memcmp(text, key, key_n) == 0 && text[key_n] == '=') {
            *value = text + key_n + 1, *n = rest - key_n - 2; /* without the newline */
            found = true;
        }
        at += length;
    }
    return found;
}

/* The content of a header's helper: a long name, or pax records. */
static soma_status read_helper(soma__tar *t, soma__bytes *out, char *why, size_t why_size) {
    out->size = 0;
    if (t->size > LONGEST) return broken(why, why_size, "the archive has a name of more than a mebibyte");
    return soma__tar_read(t, out, why, why_size);
}

typedef struct helpers {
    soma__bytes name, pax; /* empty: none */
} helpers;

static soma_status set_name(soma__tar *t, const uint8_t *h, const helpers *more, char *why, size_t why_size) {
    const uint8_t *value;
    size_t n;
    bool fine = true;
    t->name.size = 0;
    if (pax_value(&more->pax, "path", &value, &n)) fine = put_text(&t->name, value, n);
    else if (more->name.size) fine = put_text(&t->name, more->name.data, more->name.size);
    else {
        if (memcmp(h + 257, "ustar\0", 6) == 0 && h[345]) fine = put_text(&t->name, h + 345, 155) && soma__bytes_put(&t->name, "/", 1);
        fine = fine && put_text(&t->name, h, 100);
    }
    if (fine && soma__bytes_put(&t->name, "", 1)) return SOMA_OK;
    snprintf(why, why_size, "out of memory");
    return SOMA_ERROR_MEMORY;
}

static soma_status set_size(soma__tar *t, const helpers *more, char *why, size_t why_size) {
    const uint8_t *value;
    size_t n;
    if (pax_value(&more->pax, "size", &value, &n)) {
        t->size = 0;
        for (size_t i = 0; i < n; i++) {
            if (value[i] < '0' || value[i] > '9' || t->size > (uint64_t)1 << 58)
                return broken(why, why_size, "the archive has a size that is no number");
            t->size = t->size * 10 + (uint64_t)(value[i] - '0');
        }
    }
    t->left = t->size;
    t->pad = (unsigned)((BLOCK - t->size % BLOCK) % BLOCK);
    return SOMA_OK;
}

/* Headers up to the one of an entry. */
static soma_status find_entry(soma__tar *t, helpers *more, bool *got, char *why, size_t why_size) {
    for (;;) {
        uint8_t h[BLOCK];
        size_t n = BLOCK, zeros = 0;
        soma_status s = skip(t, t->left + t->pad, why, why_size);
        t->left = t->pad = 0;
        if (s == SOMA_OK) s = fill(t, h, &n, why, why_size);
        if (s != SOMA_OK) return s;
        if (n < BLOCK) return broken(why, why_size, t->entries || n ? "the archive is cut: its end mark is missing" : "the file is empty");
        while (zeros < BLOCK && !h[zeros]) zeros++;
        if (zeros == BLOCK) return *got = false, SOMA_OK;
        if (!sum_fits(h) || !number(h + 124, 12, &t->size))
            return broken(why, why_size,
                          t->entries ? "the archive is damaged: a header's sum is wrong" : "no folder, and no tar archive by its content");
        t->entries++;
        char type = (char)h[156];
        bool helper = type == 'L' || type == 'x' || type == 'K' || type == 'g';
        if (!helper) {
            t->file = type == '0' || !type || type == '7';
            *got = true;
            s = set_size(t, more, why, why_size);
            return s == SOMA_OK ? set_name(t, h, more, why, why_size) : s;
        }
        t->left = t->size, t->pad = (unsigned)((BLOCK - t->size % BLOCK) % BLOCK);
        if (type == 'L' || type == 'x') s = read_helper(t, type == 'L' ? &more->name : &more->pax, why, why_size);
        if (s != SOMA_OK) return s;
    }
}

soma_status soma__tar_next(soma__tar *t, bool *got, char *why, size_t why_size) {
    helpers more = {.name = {.alloc = t->stream.alloc}, .pax = {.alloc = t->stream.alloc}};
    soma_status s = find_entry(t, &more, got, why, why_size);
    soma__bytes_free(&more.name), soma__bytes_free(&more.pax);
    return s;
}

soma_status soma__tar_read(soma__tar *t, soma__bytes *out, char *why, size_t why_size) {
    if (t->left > SOMA__BYTES_MOST) return broken(why, why_size, "it has more than a gibibyte");
    while (t->left) {
        size_t part = t->left < 1 << 16 ? (size_t)t->left : 1 << 16, want = part;
        if (!soma__bytes_room(out, part)) {
            snprintf(why, why_size, "out of memory");
            return SOMA_ERROR_MEMORY;
        }
        soma_status s = fill(t, out->data + out->size, &part, why, why_size);
        if (s != SOMA_OK) return s;
        if (part < want) return broken(why, why_size, "the archive ends in the middle of a file");
        out->size += part, t->left -= part;
    }
    return SOMA_OK;
}

soma_status soma__tar_open(soma__tar *t, const soma_allocator *alloc, const char *path, char *why, size_t why_size) {
    *t = (soma__tar){.name = {.alloc = *alloc}};
    return soma__stream_open(&t->stream, alloc, path, why, why_size);
}

void soma__tar_close(soma__tar *t) {
    soma__stream_close(&t->stream);
    soma__bytes_free(&t->name);
}
