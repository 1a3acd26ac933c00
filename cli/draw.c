/* Pictures in a terminal: two rows of pixels in a line, by half blocks with colour where there is colour, else by characters. */
#include "cli.h"

static soma_image *image_of(soma_context *ctx, const uint8_t *planes, int channels, int height, int width) {
    soma_image *i = soma_scope_memory(ctx, sizeof *i);
    int plane = height * width;
    if (!i || !(i->pixels = soma_scope_memory(ctx, (size_t)plane * (size_t)channels))) return NULL;
    i->height = height, i->width = width, i->channels = channels;
    for (int k = 0; k < plane * channels; k++) i->pixels[k] = planes[k % channels * plane + k / channels];
    return i;
}

static void colour_of(const soma_image *i, int y, int x, int rgb[3]) {
    for (int c = 0; c < 3; c++) rgb[c] = y < i->height ? i->pixels[(y * i->width + x) * i->channels + (i->channels == 3 ? c : 0)] : 0;
}

static void pixel_pair(const soma_image *i, int y, int x, bool colours) {
    static const char ramp[] = " .:-=+*#%@";
    int top[3], bottom[3];
    colour_of(i, y, x, top), colour_of(i, y + 1, x, bottom);
    if (colours) printf("\033[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80", top[0], top[1], top[2], bottom[0], bottom[1], bottom[2]);
    else putchar(ramp[(299 * (top[0] + bottom[0]) + 587 * (top[1] + bottom[1]) + 114 * (top[2] + bottom[2])) * 9 / 510000]);
}

void cli_draw_bytes(soma_context *ctx, const uint8_t *const *pictures, const char *const *texts, int n, int channels, int height, int width) {
    bool colours = cli_colours();
    int room = cli_columns() - 2, most = room < 64 ? room : 64, wide = width > most ? most : width, high = (int)((int64_t)height * wide / width);
    if (high < 1) high = 1;
    int each = wide + 2, fit = cli_columns() / each;
    if (fit < 1) fit = 1;
    soma_scope *scope = soma_scope_open(ctx);
    soma_image **list = soma_scope_memory(ctx, (size_t)(n + 1) * sizeof *list);
    bool fine = list != NULL;
    for (int k = 0; fine && k < n; k++) {
        list[k] = image_of(ctx, pictures[k], channels, height, width);
        if (list[k] && wide != width) list[k] = soma_image_resize(ctx, list[k], high, wide, false);
        fine = list[k] != NULL;
    }
    for (int first = 0; fine && first < n; first += fit) {
        int last = first + fit < n ? first + fit : n;
        for (int y = 0; y < high; y += 2) {
            for (int k = first; k < last; k++) {
                for (int x = 0; x < wide; x++) pixel_pair(list[k], y, x, colours);
                printf("%s  ", colours ? "\033[0m" : "");
            }
            putchar('\n');
        }
        for (int k = first; k < last; k++) printf("%-*.*s", each, each - 1, texts[k]);
        printf("\n\n");
    }
    if (scope) soma_scope_close(scope);
}
