/* The one field of EXIF that changes pixels: tag 0x0112 of the first directory of a TIFF structure, which JPEG files hold in an APP1 segment and PNG
 * files in a chunk eXIf (EXIF 2.3, section 4; PNG extensions 1.5). */
#include "data/image.h"

#include <string.h>

#define ORIENTATION 0x0112
#define TYPE_SHORT 3

static unsigned word(const uint8_t *p, bool little) { return little ? p[0] | (unsigned)p[1] << 8 : p[1] | (unsigned)p[0] << 8; }
static uint32_t longer(const uint8_t *p, bool little) {
    return little ? word(p, true) | (uint32_t)word(p + 2, true) << 16 : word(p + 2, false) | (uint32_t)word(p, false) << 16;
}

static int of_tiff(const uint8_t *p, size_t n) {
    if (n < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0)) return 1;
    bool little = p[0] == 'I';
    size_t at = longer(p + 4, little);
    if (at > n - 2) return 1;
    size_t entries = word(p + at, little);
    for (at += 2; entries && n - at >= 12; entries--, at += 12) {
        if (word(p + at, little) != ORIENTATION || word(p + at + 2, little) != TYPE_SHORT) continue;
        unsigned v = word(p + at + 8, little);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

static int of_jpeg(const uint8_t *p, size_t n) {
    for (size_t at = 2; n - at >= 4 && p[at] == 0xff;) {
        unsigned marker = p[at + 1];
        if (marker == 0xff) { /* fill */
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9) return 1; /* pixels begin, or the end */
        size_t size = word(p + at + 2, false);
        if (size < 2 || size > n - at - 2) return 1;
        if (marker == 0xe1 && size >= 8 && memcmp(p + at + 4, "Exif\0\0", 6) == 0) return of_tiff(p + at + 10, size - 8);
        at += 2 + size;
    }
    return 1;
}

static int of_png(const uint8_t *p, size_t n) {
    for (size_t at = 8; n - at >= 12;) {
        size_t size = longer(p + at, false);
        if (size > n - at - 12) return 1;
        if (memcmp(p + at + 4, "eXIf", 4) == 0) return of_tiff(p + at + 8, size);
        at += 12 + size;
    }
    return 1;
}

int soma__exif_orientation(const uint8_t *data, size_t n) { return n < 8 ? 1 : data[0] == 0xff ? of_jpeg(data, n) : of_png(data, n); }
