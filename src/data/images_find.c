/* Where pictures are: a walk through folders, or through the entries of an archive. */
#include "data/images.h"
#include "data/tar.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 16

static bool ends_as_picture(const char *name, size_t n) {
    static const char *const ends[] = {".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]), k = 0;
        if (n <= m) continue;
        while (k < m && (name[n - m + k] | (name[n - m + k] == '.' ? 0 : 0x20)) == ends[i][k]) k++;
        if (k == m) return true;
    }
    return false;
}

/* In a class folder, with nothing hidden (nor "..") on the way, and a picture by its name. */
static bool counts(const char *name, size_t n) {
    if (memchr(name, 0, n)) return false;
    for (size_t i = 0; i < n; i++)
        if ((!i || name[i - 1] == '/') && (name[i] == '.' || name[i] == '/')) return false;
    return memchr(name, '/', n) && ends_as_picture(name, n);
}

bool soma__images_add(soma__images *r, const char *name, size_t n) {
    if (!counts(name, n)) return false;
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 1024;
        soma__picture *more = r->pictures ? soma__regrow(&r->alloc, r->pictures, r->room * sizeof *more, room * sizeof *more)
                                          : soma__alloc(&r->alloc, room * sizeof *more);
        if (!more) return soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "dataset_images: out of memory"), false;
        r->pictures = more, r->room = room;
    }
    soma__picture *p = &r->pictures[r->n];
    *p = (soma__picture){.name = soma_scope_memory(r->ctx, n + 1), .at = -1};
    if (!p->name) return false;
    memcpy(p->name, name, n);
    p->class_n = (size_t)(strchr(p->name, '/') - p->name);
    r->n++;
    return true;
}

int soma__pictures_compare(const void *a, const void *b) {
    const soma__picture *p = a, *q = b;
    int way = memcmp(p->name, q->name, p->class_n < q->class_n ? p->class_n : q->class_n);
    if (way || p->class_n != q->class_n) return way ? way : p->class_n < q->class_n ? -1 : 1;
    return strcmp(p->name + p->class_n, q->name + q->class_n);
}

/* A folder on the way: its path, and what of it is the name. */
typedef struct walk {
    soma__images *r;
    char path[4096];
    size_t n, root;
    int depth;
    soma__bytes folders; /* names of folders in it, each with its zero byte */
} walk;

static bool visit(void *user, const char *name) {
    walk *w = user;
    size_t n = strlen(name);
    if (w->n + n + 2 > sizeof w->path) {
        soma_error_raise(w->r->ctx, SOMA_ERROR_IO, "%s/%s: the path is too long", w->path, name);
        return false;
    }
    w->path[w->n] = '/';
    memcpy(w->path + w->n + 1, name, n + 1);
    bool fine = true;
    if (soma__is_folder(w->path)) fine = soma__bytes_put(&w->folders, name, n + 1);
    else soma__images_add(w->r, w->path + w->root, w->n + 1 + n - w->root);
    w->path[w->n] = 0;
    if (!fine) soma_error_raise(w->r->ctx, SOMA_ERROR_MEMORY, "dataset_images: out of memory");
    return soma_error_status(w->r->ctx) == SOMA_OK;
}

/* The entries of a folder, then those of the folders in it: w->path is one path that grows and shrinks. */
static bool walk_through(walk *w) {
    soma_context *ctx = w->r->ctx;
    char why[256];
    soma__bytes above = w->folders;
    w->folders = (soma__bytes){.alloc = w->r->alloc};
    soma_status s = w->depth > DEEPEST ? SOMA_ERROR_IO : soma__folder_list(w->path, visit, w, why, sizeof why);
    if (w->depth > DEEPEST) snprintf(why, sizeof why, "folders within folders, more than %d deep", DEEPEST);
    if (s != SOMA_OK) soma_error_raise(ctx, s, "%s: %s", w->path, why);
    size_t n = w->n;
    w->depth++;
    for (size_t at = 0; at < w->folders.size && soma_error_status(ctx) == SOMA_OK; at += strlen((char *)w->folders.data + at) + 1) {
        int more = snprintf(w->path + n, sizeof w->path - n, "/%s", (char *)w->folders.data + at);
        w->n = n + (size_t)more;
        walk_through(w);
        w->path[w->n = n] = 0;
    }
    w->depth--;
    soma__bytes_free(&w->folders);
    w->folders = above;
    return soma_error_status(ctx) == SOMA_OK;
}

bool soma__images_of_folder(soma__images *r) {
    walk *w = soma__calloc(&r->alloc, sizeof *w);
    if (!w) return soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "dataset_images: out of memory"), false;
    w->r = r;
    int n = snprintf(w->path, sizeof w->path, "%s%s%s", r->path, *r->part ? "/" : "", r->part);
    if (n < 0 || (size_t)n >= sizeof w->path) soma_error_raise(r->ctx, SOMA_ERROR_IO, "%.200s...: the path is too long", r->path);
    else w->n = (size_t)n, w->root = w->n + 1, walk_through(w);
    soma__free(&r->alloc, w, sizeof *w);
    if (soma_error_status(r->ctx) != SOMA_OK) return false;
    if (r->n) qsort(r->pictures, r->n, sizeof *r->pictures, soma__pictures_compare);
    for (size_t i = 0; i < r->n; i++)
        if (!soma__images_decode(r, i, 0, 0)) return false;
    return soma__images_flush(r);
}

/* What stands behind a folder's name and a slash; NULL where the name is another one. */
static const char *behind(const char *name, const char *folder) {
    size_t n = strlen(folder);
    if (!n) return name;
    return strncmp(name, folder, n) == 0 && name[n] == '/' && name[n + 1] ? name + n + 1 : NULL;
}

/* An entry's name below the part; NULL for one that is elsewhere. "./" and doubled slashes are nothing. */
static const char *below(soma__images *r, char *name, size_t *n) {
    size_t m = 0;
    for (size_t i = 0; name[i]; i++) {
        bool begins = !m || name[m - 1] == '/';
        if (begins && name[i] == '/') continue;
        if (begins && name[i] == '.' && name[i + 1] == '/') {
            i++;
            continue;
        }
        name[m++] = name[i];
    }
    name[m] = 0;
    if (!*r->root && counts(name, m)) snprintf(r->root, sizeof r->root, "%.*s", (int)(sizeof r->root - 1), name), r->root[strcspn(r->root, "/")] = 0;
    const char *got = behind(name, r->part);
    if (!got && (got = behind(name, r->root))) got = behind(got, r->part);
    *n = got ? strlen(got) : 0;
    return got;
}

static soma_status read_archive(soma__images *r, soma__tar *t, char *why, size_t why_size) {
    for (;;) {
        bool got;
        size_t n, first = r->data.size;
        soma_status s = soma__tar_next(t, &got, why, why_size);
        if (s != SOMA_OK || !got) return s;
        const char *name = t->file ? below(r, (char *)t->name.data, &n) : NULL;
        if (!name || !soma__images_add(r, name, n)) {
            if (soma_error_status(r->ctx) != SOMA_OK) return SOMA_OK;
            continue;
        }
        if (r->names_only) continue;
        s = soma__tar_read(t, &r->data, why, why_size);
        if (s != SOMA_OK) return s;
        if (!soma__images_decode(r, r->n - 1, first, r->data.size - first)) return SOMA_OK;
    }
}

bool soma__images_of_archive(soma__images *r) {
    char why[256];
    soma__tar t;
    soma_status s = soma__tar_open(&t, &r->alloc, r->path, why, sizeof why);
    if (s == SOMA_OK) {
        s = read_archive(r, &t, why, sizeof why);
        soma__tar_close(&t);
    }
    if (s != SOMA_OK) soma_error_raise(r->ctx, s, "%s: %s", r->path, why);
    return soma_error_status(r->ctx) == SOMA_OK && soma__images_flush(r);
}
