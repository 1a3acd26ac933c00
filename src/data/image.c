/* Pictures: which decoder, upright, the channels that are wanted; and the public calls. */
#include "soma/image.h"

#include "base/alloc.h"
#include "base/folder.h"
#include "base/fpmode.h"
#include "data/image.h"

#include <stdio.h>
#include <string.h>

bool soma_reads_images(void) {
#if SOMA_HAVE_IMAGES
    return true;
#else
    return false;
#endif
}

void soma__pixels_free(soma__pixels *p) {
    if (p->data) soma__free(&p->alloc, p->data, p->room);
    p->data = NULL, p->room = 0;
}

static soma_status no_memory(char *why, size_t why_size) {
    snprintf(why, why_size, "out of memory");
    return SOMA_ERROR_MEMORY;
}

/* Keeps the memory that is there when it is enough. */
static bool make_room(soma__pixels *p, size_t bytes) {
    if (p->data && p->room >= bytes) return true;
    soma__pixels_free(p);
    if ((p->data = soma__alloc(&p->alloc, bytes))) p->room = bytes;
    return p->data != NULL;
}

soma_status soma__pixels_make(soma__pixels *p, int64_t height, int64_t width, int64_t channels, int64_t most, char *why, size_t why_size) {
    if (height < 1 || width < 1) {
        snprintf(why, why_size, "it has %lld x %lld pixels", (long long)width, (long long)height);
        return SOMA_ERROR_FORMAT;
    }
    if (!most) most = SOMA__MOST_PIXELS;
    if (height > most / width) {
        snprintf(why, why_size, "it has %lld x %lld pixels; more than %lld are not read", (long long)width, (long long)height, (long long)most);
        return SOMA_ERROR_FORMAT;
    }
    if (!make_room(p, (size_t)(height * width * channels))) return no_memory(why, why_size);
    p->height = height, p->width = width, p->channels = channels;
    return SOMA_OK;
}

/* Where pixel (y, x) of the upright picture is stored; EXIF's orientations as two flips behind a transposition. */
static soma_status turn(soma__pixels *p, int orientation, char *why, size_t why_size) {
    bool swapped = orientation >= 5;
    bool down = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    bool across = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    if (orientation < 2) return SOMA_OK;
    soma__pixels to = {.alloc = p->alloc};
    soma_status s = swapped ? soma__pixels_make(&to, p->width, p->height, p->channels, INT64_MAX, why, why_size)
                            : soma__pixels_make(&to, p->height, p->width, p->channels, INT64_MAX, why, why_size);
    if (s != SOMA_OK) return s;
    uint8_t *out = to.data;
    for (int64_t y = 0; y < to.height; y++)
        for (int64_t x = 0; x < to.width; x++) {
            int64_t v = down ? to.height - 1 - y : y, u = across ? to.width - 1 - x : x;
            const uint8_t *from = p->data + (swapped ? u * p->width + v : v * p->width + u) * p->channels;
            for (int64_t c = 0; c < p->channels; c++) *out++ = from[c];
        }
    soma__pixels_free(p);
    *p = to;
    return SOMA_OK;
}

/* In place, where there is room: grey is written behind what is read, colour from the end on. */
static soma_status bring_channels(soma__pixels *p, int64_t channels, char *why, size_t why_size) {
    int64_t n = p->height * p->width;
    if (!channels || channels == p->channels) return SOMA_OK;
    if (channels == 1) {
        const uint8_t *in = p->data;
        for (int64_t i = 0; i < n; i++, in += 3) p->data[i] = (uint8_t)((19595u * in[0] + 38470u * in[1] + 7471u * in[2] + 32768u) >> 16);
    } else {
        if ((size_t)(3 * n) > p->room) {
            uint8_t *bigger = soma__regrow(&p->alloc, p->data, p->room, (size_t)(3 * n));
            if (!bigger) return no_memory(why, why_size);
            p->data = bigger, p->room = (size_t)(3 * n);
        }
        for (int64_t i = n - 1; i >= 0; i--) p->data[3 * i] = p->data[3 * i + 1] = p->data[3 * i + 2] = p->data[i];
    }
    p->channels = channels;
    return SOMA_OK;
}

soma_status soma__image_decode(const soma__decoding *how, const uint8_t *data, size_t n, soma__pixels *out, char *why, size_t why_size) {
    bool png = n >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0, jpeg = n >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
    if (!png && !jpeg) {
        snprintf(why, why_size, n ? "no PNG or JPEG file by its content" : "the file is empty");
        return SOMA_ERROR_FORMAT;
    }
#if SOMA_HAVE_IMAGES
    soma_status s = (png ? soma__png_decode : soma__jpeg_decode)(data, n, how->most_pixels, out, why, why_size);
    if (s == SOMA_OK && !how->as_stored) s = turn(out, soma__exif_orientation(data, n), why, why_size);
    return s == SOMA_OK ? bring_channels(out, how->channels, why, why_size) : s;
#else
    (void)how, (void)out, (void)turn;
    snprintf(why, why_size, "PNG and JPEG are left out of this build (libpng, libjpeg)");
    return SOMA_ERROR_UNSUPPORTED;
#endif
}

/* A picture of the scope. */
static soma_image *image_new(soma_context *ctx, int64_t height, int64_t width, int64_t channels) {
    soma_image *i = soma_scope_memory(ctx, sizeof *i);
    if (!i || !(i->pixels = soma_scope_memory(ctx, (size_t)(height * width * channels)))) return NULL;
    i->height = height, i->width = width, i->channels = channels;
    return i;
}

static soma_image *decode(soma_context *ctx, const char *call, const char *name, const uint8_t *data, size_t bytes, const soma_image_opts *o) {
    char why[256];
    if ((o->channels != 0 && o->channels != 1 && o->channels != 3) || o->most_pixels < 0) {
        soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "%s: 1 or 3 channels, and a limit of pixels of 1 or more, are wanted", call);
        return NULL;
    }
    soma__pixels p = {.alloc = *soma_context_allocator(ctx)};
    soma__decoding how = {o->channels, o->most_pixels, o->as_stored != 0};
    soma_status s = soma__image_decode(&how, data, bytes, &p, why, sizeof why);
    soma_image *i = s == SOMA_OK ? image_new(ctx, p.height, p.width, p.channels) : NULL;
    if (i) memcpy(i->pixels, p.data, (size_t)(p.height * p.width * p.channels));
    soma__pixels_free(&p);
    if (s != SOMA_OK) soma_error_raise(ctx, s, "%s: %s", name, why);
    return i;
}

soma_image *soma_image_decode_v(soma_context *ctx, const void *data, size_t bytes, const soma_image_opts *options, size_t size) {
    soma_image_opts o;
    if (!ctx || !soma_options_read(ctx, "image_decode", &o, sizeof o, options, size)) return NULL;
    if (!data && bytes) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_decode: the data is NULL"), NULL;
    return decode(ctx, "image_decode", "image_decode", data, bytes, &o);
}

soma_image *soma_image_read_v(soma_context *ctx, const char *path, const soma_image_opts *options, size_t size) {
    soma_image_opts o;
    char why[256];
    soma__bytes content = {0};
    if (!ctx || !soma_options_read(ctx, "image_read", &o, sizeof o, options, size)) return NULL;
    if (!path) return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_read: the path is NULL"), NULL;
    content.alloc = *soma_context_allocator(ctx);
    soma_status s = soma__bytes_read(&content, path, why, sizeof why);
    if (s != SOMA_OK) soma_error_raise(ctx, s, "%s: %s", path, why);
    soma_image *i = s == SOMA_OK ? decode(ctx, "image_read", path, content.data, content.size, &o) : NULL;
    soma__bytes_free(&content);
    return i;
}

soma_image *soma_image_resize(soma_context *ctx, const soma_image *image, int64_t height, int64_t width, bool crop) {
    if (!ctx || !image || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (height < 1 || width < 1 || height > SOMA__MOST_SIDE || width > SOMA__MOST_SIDE)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_resize: %lld x %lld; sizes of 1 to %d are wanted", (long long)height,
                                (long long)width, SOMA__MOST_SIDE),
               NULL;
    const soma_allocator *alloc = soma_context_allocator(ctx);
    size_t room = soma__resize_room(image->height, image->width, image->channels, height, width);
    soma_image *out = image_new(ctx, height, width, image->channels);
    void *scratch = out ? soma__alloc(alloc, room) : NULL;
    if (!scratch) return soma_error_raise(ctx, SOMA_ERROR_MEMORY, "image_resize: out of memory"), NULL;
    soma__fpmode mode = soma__fpmode_enter();
    soma__resize(image->pixels, image->height, image->width, image->channels, soma__fit(image->height, image->width, height, width, crop),
                 out->pixels, height, width, scratch);
    soma__fpmode_leave(mode);
    soma__free(alloc, scratch, room);
    return out;
}

const soma_image *soma_image_channels(soma_context *ctx, const soma_image *image, int64_t channels) {
    char why[64];
    if (!ctx || !image || soma_error_status(ctx) != SOMA_OK) return NULL;
    if (channels != 1 && channels != 3)
        return soma_error_raise(ctx, SOMA_ERROR_ARGUMENT, "image_channels: %lld channels; 1 or 3 are wanted", (long long)channels), NULL;
    if (image->channels == channels) return image;
    int64_t n = image->height * image->width;
    soma_image *out = image_new(ctx, image->height, image->width, 3); /* room for either */
    if (!out) return NULL;
    memcpy(out->pixels, image->pixels, (size_t)(n * image->channels));
    soma__pixels p = {.data = out->pixels, .room = (size_t)(3 * n), .height = image->height, .width = image->width, .channels = image->channels};
    bring_channels(&p, channels, why, sizeof why);
    out->channels = channels;
    return out;
}
