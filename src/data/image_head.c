/* What a picture file says at its beginning (PNG specification 11.2.2; JPEG: ITU-T T.81, B.2.2), read without a decoder. */
#include "data/image.h"

#include <string.h>

static int64_t two(const uint8_t *p) { return p[0] << 8 | p[1]; }
static int64_t four(const uint8_t *p) { return two(p) << 16 | two(p + 2); }

/* The frame header is behind tables and comments, each with its length. */
static bool of_jpeg(const uint8_t *p, size_t n, soma__head *out) {
    for (size_t at = 2; n - at >= 10 && p[at] == 0xff;) {
        unsigned marker = p[at + 1];
        if (marker == 0xff) { /* fill */
            at++;
            continue;
        }
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            *out = (soma__head){.height = two(p + at + 5), .width = two(p + at + 7), .grey = p[at + 9] == 1};
            return true;
        }
        size_t size = (size_t)two(p + at + 2);
        if (marker == 0xda || marker == 0xd9 || size < 2 || size > n - at - 2) return false;
        at += 2 + size;
    }
    return false;
}

bool soma__image_head(const uint8_t *data, size_t n, soma__head *out) {
    *out = (soma__head){0};
    if (n >= 26 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0 && memcmp(data + 12, "IHDR", 4) == 0)
        *out = (soma__head){.height = four(data + 20), .width = four(data + 16), .grey = !(data[25] & 2), .png = true};
    else if (n < 12 || memcmp(data, "\xff\xd8\xff", 3) != 0 || !of_jpeg(data, n, out)) return false;
    if (soma__exif_orientation(data, n) >= 5) {
        int64_t v = out->height;
        out->height = out->width, out->width = v;
    }
    return out->height > 0 && out->width > 0;
}
