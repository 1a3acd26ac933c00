/* Data sets of picture files. All are decoded when the set is opened: blocks of files go to all threads at once, what they give is put into the store
 * in order. So which thread did what, and when, leaves no trace, and training never waits for a decoder. */
#include "data/images.h"
#include "data/cell.h"
#include "data/dataset.h"

#include "base/alloc.h"
#include "base/fpmode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MOST ((size_t)256 << 20) /* of decoded bytes; more lie in a file */
#define BLOCK_BYTES ((size_t)32 << 20)  /* of an archive's files that wait for their decoding */
#define PICTURE_NS 50000.0

static bool no_memory(soma__images *r) {
    soma_error_raise(r->ctx, SOMA_ERROR_MEMORY, "dataset_images: out of memory");
    return false;
}

void soma__images_name(const soma__images *r, const char *name, char *out, size_t size) {
    int n = snprintf(out, size, "%s/%s%s%s", r->path, r->part, *r->part ? "/" : "", name);
    if (n < 0) *out = 0;
}

/* The picture of a work in the decoder's pixels. */
static soma_status decode(const soma__images *r, soma__work *w, soma__decoder *d) {
    soma__decoding how = {r->o.channels, r->o.most_pixels, false};
    const uint8_t *data = r->data.data + w->first;
    size_t n = w->bytes;
    if (!r->archive) {
        char path[4200];
        soma__images_name(r, r->pictures[w->picture].name, path, sizeof path);
        d->file.size = 0;
        soma_status s = soma__bytes_read(&d->file, path, w->why, sizeof w->why);
        if (s != SOMA_OK) return s;
        data = d->file.data, n = d->file.size;
    }
    return soma__image_decode(&how, data, n, &d->pixels, w->why, sizeof w->why);
}

/* Brings the decoder's picture to the size of all and puts its channels one behind the other. */
static soma_status prepare(const soma__images *r, soma__work *w, soma__decoder *d, uint8_t *out) {
    const soma__pixels *p = &d->pixels;
    const uint8_t *from = p->data;
    if (!r->o.size[0] && (p->height != r->height || p->width != r->width)) {
        snprintf(w->why, sizeof w->why, "%lld x %lld pixels, the first picture has %lld x %lld; a size, as [%lld, %lld], would bring all to one",
                 (long long)p->height, (long long)p->width, (long long)r->height, (long long)r->width, (long long)r->height, (long long)r->width);
        return SOMA_ERROR_SHAPE;
    }
    if (p->height != r->height || p->width != r->width) {
        size_t scratch = soma__resize_room(p->height, p->width, p->channels, r->height, r->width), whole = (scratch + 63) / 64 * 64 + r->features;
        d->resized.size = 0;
        if (!soma__bytes_room(&d->resized, whole)) {
            snprintf(w->why, sizeof w->why, "out of memory");
            return SOMA_ERROR_MEMORY;
        }
        uint8_t *to = d->resized.data + (scratch + 63) / 64 * 64;
        soma__resize(p->data, p->height, p->width, p->channels, soma__fit(p->height, p->width, r->height, r->width, r->o.crop != 0), to, r->height,
                     r->width, d->resized.data);
        from = to;
    }
    int64_t plane = r->height * r->width;
    for (int64_t c = 0; c < r->o.channels; c++)
        for (int64_t k = 0; k < plane; k++) *out++ = from[k * r->o.channels + c];
    return SOMA_OK;
}

static void one(void *arg, int64_t piece, int slot) {
    soma__images *r = arg;
    soma__work *w = &r->block[piece];
    soma__decoder *d = &r->decoders[slot];
    w->status = decode(r, w, d);
    if (w->status == SOMA_OK) w->status = prepare(r, w, d, r->out.data + (size_t)piece * r->features);
}

/* Without a given size all have the first one's. */
static void find_size(soma__images *r) {
    for (size_t i = 0; i < r->n_block && !r->height; i++)
        if (decode(r, &r->block[i], r->decoders) == SOMA_OK) r->height = r->decoders->pixels.height, r->width = r->decoders->pixels.width;
    r->features = (size_t)(r->height * r->width * r->o.channels);
}

/* A picture that cannot be read: an error, or a note. */
static bool leave_out(soma__images *r, const soma__work *w) {
    char name[4200], line[600];
    soma__images_name(r, r->pictures[w->picture].name, name, sizeof name);
    bool may = r->o.skip_broken && (w->status == SOMA_ERROR_FORMAT || w->status == SOMA_ERROR_IO);
    if (!may) return soma_error_raise(r->ctx, w->status, "%s: %s", name, w->why), false;
    snprintf(line, sizeof line, "%.300s is left out: %s", name, w->why);
    soma_say(r->ctx, "%s", line);
    if (r->n_notes == r->notes_room) {
        int64_t room = r->notes_room ? 2 * r->notes_room : 16;
        char **more = soma_scope_memory(r->ctx, (size_t)room * sizeof *more);
        if (!more) return false;
        if (r->n_notes) memcpy(more, r->notes, (size_t)r->n_notes * sizeof *more);
        r->notes = more, r->notes_room = room;
    }
    char *note = soma_scope_memory(r->ctx, strlen(line) + 1);
    if (!note) return false;
    r->notes[r->n_notes++] = strcpy(note, line);
    return true;
}

bool soma__images_flush(soma__images *r) {
    char why[256];
    if (r->names_only || r->found) return true;
    if (!r->height) find_size(r);
    r->out.size = 0;
    if (r->n_block && !soma__bytes_room(&r->out, r->n_block * r->features)) return no_memory(r);
    soma__pool_run(r->pool, one, r, (int64_t)r->n_block, PICTURE_NS * (double)r->n_block);
    for (size_t i = 0; i < r->n_block; i++) {
        const soma__work *w = &r->block[i];
        if (w->status != SOMA_OK) {
            if (!leave_out(r, w)) return false;
            continue;
        }
        soma_status s = soma__store_put(r->store, r->out.data + i * r->features, r->features, why, sizeof why);
        if (s != SOMA_OK) return soma_error_raise(r->ctx, s, "%s: %s", r->path, why), false;
        r->pictures[w->picture].at = r->stored++;
    }
    r->n_block = r->data.size = 0;
    return true;
}

bool soma__images_decode(soma__images *r, size_t picture, size_t first, size_t bytes) {
    if (r->names_only) return true;
    if (r->found) return soma__images_look_at(r, picture, first, bytes);
    r->block[r->n_block++] = (soma__work){.picture = picture, .first = first, .bytes = bytes};
    return (r->n_block < SOMA__BLOCK && r->data.size < BLOCK_BYTES) || soma__images_flush(r);
}

static bool same_class(const soma__picture *a, const soma__picture *b) {
    return a->class_n == b->class_n && memcmp(a->name, b->name, a->class_n) == 0;
}

/* The names of classes: given, or those of the sorted pictures. */
static bool name_classes(soma__images *r, soma_dataset *d) {
    int64_t n = r->o.n_classes;
    for (size_t i = 0; i < r->n && !r->o.n_classes; i++) n += !i || !same_class(&r->pictures[i - 1], &r->pictures[i]);
    const char **names = soma_scope_memory(r->ctx, (size_t)(n + 1) * sizeof *names);
    for (size_t i = 0, k = 0; names && i < r->n && !r->o.n_classes; i++) {
        const soma__picture *p = &r->pictures[i];
        if (i && same_class(p - 1, p)) continue;
        char *name = soma_scope_memory(r->ctx, p->class_n + 1);
        if (!name) return false;
        memcpy(name, p->name, p->class_n);
        names[k++] = name;
    }
    for (int64_t i = 0; names && i < r->o.n_classes; i++) {
        char *name = soma_scope_memory(r->ctx, strlen(r->o.classes[i]) + 1);
        if (!name) return false;
        names[i] = strcpy(name, r->o.classes[i]);
    }
    for (int64_t i = 0; names && i < n; i++)
        if (soma__not_utf8(names[i], strlen(names[i])) != SIZE_MAX)
            return soma_error_raise(r->ctx, SOMA_ERROR_FORMAT, "%s: the name of class %lld is no UTF-8 text", r->path, (long long)i), false;
    d->pictures.classes = names, d->pictures.n_classes = n;
    return names != NULL;
}

static int64_t find_class(const soma_dataset *d, const soma__picture *p) {
    for (int64_t c = 0; c < d->pictures.n_classes; c++)
        if (strlen(d->pictures.classes[c]) == p->class_n && memcmp(d->pictures.classes[c], p->name, p->class_n) == 0) return c;
    return -1;
}

/* Places, classes and names of the sorted pictures. */
static bool list_samples(soma__images *r, soma_dataset *d) {
    int64_t *rows = soma_scope_memory(r->ctx, (size_t)(r->stored + 1) * sizeof *rows),
            *classes = soma_scope_memory(r->ctx, (size_t)(r->stored + 1) * sizeof *classes);
    const char **files = soma_scope_memory(r->ctx, (size_t)(r->stored + 1) * sizeof *files);
    int64_t n = 0;
    if (!rows || !classes || !files || !name_classes(r, d)) return false;
    for (size_t i = 0; i < r->n; i++) {
        const soma__picture *p = &r->pictures[i];
        char name[4200];
        soma__images_name(r, p->name, name, sizeof name);
        if (i && strcmp(p[-1].name, p->name) == 0) return soma_error_raise(r->ctx, SOMA_ERROR_FORMAT, "%s is there twice", name), false;
        if (p->at < 0) continue;
        rows[n] = p->at;
        classes[n] = n && same_class(p - 1, p) && p[-1].at >= 0 ? classes[n - 1] : find_class(d, p);
        if (classes[n] < 0)
            return soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "%s: there is no class '%.*s' among those given (of the training part)", name,
                                    (int)(p->class_n < 200 ? p->class_n : 200), p->name),
                   false;
        char *copy = soma_scope_memory(r->ctx, strlen(name) + 1);
        if (!copy) return false;
        files[n++] = strcpy(copy, name);
    }
    d->rows = rows, d->targets = classes, d->files = files, d->count = n;
    return true;
}

static void close_store(void *store) { soma__store_close(store); }

/* All that lives only while pictures are read. */
static bool begin(soma__images *r) {
    r->threads = (int)soma_context_threads(r->ctx);
    r->decoders = soma__calloc(&r->alloc, (size_t)r->threads * sizeof *r->decoders);
    r->block = soma__calloc(&r->alloc, SOMA__BLOCK * sizeof *r->block);
    r->store = soma_scope_memory(r->ctx, sizeof *r->store);
    if (!r->decoders || !r->block || !r->store) return no_memory(r);
    *r->store = (soma__store){.alloc = r->alloc, .most = MEMORY_MOST};
    for (int i = 0; i < r->threads; i++) r->decoders[i] = (soma__decoder){{.alloc = r->alloc}, {.alloc = r->alloc}, {.alloc = r->alloc}};
    if (soma_scope_defer(r->ctx, close_store, r->store) != SOMA_OK) return false;
    return soma__pool_create(&r->alloc, r->threads, &r->pool) == SOMA_OK || no_memory(r);
}
static void end(soma__images *r) {
    if (r->pool) soma__pool_destroy(r->pool);
    for (int i = 0; i < r->threads && r->decoders; i++)
        soma__pixels_free(&r->decoders[i].pixels), soma__bytes_free(&r->decoders[i].file), soma__bytes_free(&r->decoders[i].resized);
    if (r->decoders) soma__free(&r->alloc, r->decoders, (size_t)r->threads * sizeof *r->decoders);
    if (r->block) soma__free(&r->alloc, r->block, SOMA__BLOCK * sizeof *r->block);
    soma__bytes_free(&r->data), soma__bytes_free(&r->out);
    if (r->pictures) soma__free(&r->alloc, r->pictures, r->room * sizeof *r->pictures);
}

/* What is behind the folder that the first picture lies in; NULL for one that lies elsewhere. */
static char *inside(const soma__images *r, const soma__picture *p) {
    const soma__picture *first = &r->pictures[0];
    return p->class_n == first->class_n && memcmp(p->name, first->name, p->class_n) == 0 ? p->name + p->class_n + 1 : NULL;
}

/* An archive of one folder, in which there are folders: that one is no class, and what lies in it without a folder is none of a class's. A folder of
 * pictures with one folder beside them is a class, as is one that is known by its name. */
static void step_in(soma__images *r) {
    const char *folder = NULL;
    bool several = false, loose = false;
    if (!r->archive || *r->part || !r->n) return;
    for (size_t i = 0; i < r->n; i++) {
        const char *name = inside(r, &r->pictures[i]), *slash = name ? strchr(name, '/') : NULL;
        if (!name) return;
        if (!slash) loose = true;
        else if (!folder) folder = name;
        else several = several || strncmp(folder, name, (size_t)(slash - name) + 1) != 0;
    }
    for (int64_t c = 0; c < r->o.n_classes; c++)
        if (strlen(r->o.classes[c]) == r->pictures[0].class_n && memcmp(r->o.classes[c], r->pictures[0].name, r->pictures[0].class_n) == 0) return;
    if (!folder || (loose && !several)) return;
    size_t n = 0;
    for (size_t i = r->n; i-- > 0;) r->pictures[i].name = inside(r, &r->pictures[i]); /* the first one last: it is what others are compared with */
    for (size_t i = 0; i < r->n; i++) {
        const char *slash = strchr(r->pictures[i].name, '/');
        if (!slash) continue;
        r->pictures[n] = r->pictures[i];
        r->pictures[n++].class_n = (size_t)(slash - r->pictures[i].name);
    }
    r->n = n;
}

static soma_dataset *finish(soma__images *r) {
    char why[256];
    if (!r->stored) {
        soma_error_raise(r->ctx, SOMA_ERROR_FORMAT, "%s%s%s: there are no pictures in class folders (as in %s%scat/1.png)%s", r->path,
                         *r->part ? "/" : "", r->part, r->part, *r->part ? "/" : "", r->n ? " that can be read" : "");
        return NULL;
    }
    soma_status s = soma__store_done(r->store, why, sizeof why);
    if (s != SOMA_OK) return soma_error_raise(r->ctx, s, "%s: %s", r->path, why), NULL;
    step_in(r);
    qsort(r->pictures, r->n, sizeof *r->pictures, soma__pictures_compare);
    const int64_t shape[] = {r->o.channels, r->height, r->width};
    soma_dataset *d = soma__dataset_bytes(r->ctx, (const uint8_t *)r->store->data, r->stored, shape, 3);
    if (!d || !list_samples(r, d)) return NULL;
    d->pictures.crop = r->o.crop != 0;
    d->notes = (const char *const *)r->notes, d->n_notes = r->n_notes;
    return d;
}

/* Options that make sense; the part without slashes at its ends. */
static bool check(soma__images *r, char *part, size_t size) {
    soma_images_opts *o = &r->o;
    if (!o->channels) o->channels = 3;
    bool sized = o->size[0] || o->size[1], fits = o->size[0] > 0 && o->size[1] > 0 && o->size[0] <= SOMA__MOST_SIDE && o->size[1] <= SOMA__MOST_SIDE;
    if ((o->channels != 1 && o->channels != 3) || (sized && !fits) || o->most_pixels < 0 || o->n_classes < 0 || (o->n_classes && !o->classes)) {
        soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "dataset_images: 1 or 3 channels, and a height and a width of 1 to %d (or none), are wanted",
                         SOMA__MOST_SIDE);
        return false;
    }
    r->height = o->size[0], r->width = o->size[1];
    r->features = (size_t)(r->height * r->width * o->channels);
    const char *p = o->part ? o->part : "";
    while (*p == '/') p++;
    size_t n = strlen(p);
    while (n && p[n - 1] == '/') n--;
    if (n >= size) return soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "dataset_images: the part's name is too long"), false;
    memcpy(part, p, n);
    part[n] = 0;
    r->part = part;
    return true;
}

/* Options, and the folder or archive read; false with the error pending. */
static bool read(soma__images *r, char *part, size_t part_size) {
    if (!r->path) return soma_error_raise(r->ctx, SOMA_ERROR_ARGUMENT, "dataset_images: a path is wanted"), false;
    if (!soma_reads_images())
        return soma_error_raise(r->ctx, SOMA_ERROR_UNSUPPORTED, "%s: PNG and JPEG are left out of this build (libpng, libjpeg)", r->path), false;
    if (!check(r, part, part_size)) return false;
    r->alloc = *soma_context_allocator(r->ctx);
    r->data.alloc = r->out.alloc = r->alloc;
    r->archive = !soma__is_folder(r->path);
    return begin(r) && (r->archive ? soma__images_of_archive(r) : soma__images_of_folder(r));
}

soma_dataset *soma_dataset_images_v(soma_context *ctx, const char *path, const soma_images_opts *options, size_t size) {
    soma__images r = {.ctx = ctx, .path = path};
    char part[1024];
    if (!ctx || !soma_options_read(ctx, "dataset_images", &r.o, sizeof r.o, options, size)) return NULL;
    soma__fpmode mode = soma__fpmode_enter();
    soma_dataset *d = read(&r, part, sizeof part) ? finish(&r) : NULL;
    end(&r);
    soma__fpmode_leave(mode);
    return soma_error_status(ctx) == SOMA_OK ? d : NULL;
}

/* The names of the classes: pictures are listed, or looked at, not decoded. */
static soma_status list(soma__images *r, const char *const **names, int64_t *n) {
    char part[1024];
    soma_dataset none = {0};
    r->o.n_classes = 0;
    if (read(r, part, sizeof part)) {
        step_in(r);
        if (r->n) qsort(r->pictures, r->n, sizeof *r->pictures, soma__pictures_compare);
        if (name_classes(r, &none)) *names = none.pictures.classes, *n = none.pictures.n_classes;
        if (*names && r->found && !soma__images_count(r, *names, *n)) *names = NULL;
    }
    end(r);
    return soma_error_status(r->ctx);
}

soma_status soma_images_classes_v(soma_context *ctx, const char *path, const char *const **names, int64_t *n, const soma_images_opts *options,
                                  size_t size) {
    soma__images r = {.ctx = ctx, .path = path, .names_only = true};
    if (!ctx || !names || !n) return SOMA_ERROR_ARGUMENT;
    *names = NULL, *n = 0;
    if (!soma_options_read(ctx, "images_classes", &r.o, sizeof r.o, options, size)) return soma_error_status(ctx);
    return list(&r, names, n);
}

soma_status soma_images_find_v(soma_context *ctx, const char *path, soma_images_found *found, const soma_images_opts *options, size_t size) {
    soma__images r = {.ctx = ctx, .path = path, .found = found};
    const char *const *names = NULL;
    int64_t n = 0;
    if (!ctx || !found) return SOMA_ERROR_ARGUMENT;
    *found = (soma_images_found){0};
    if (!soma_options_read(ctx, "images_find", &r.o, sizeof r.o, options, size)) return soma_error_status(ctx);
    return list(&r, &names, &n);
}
