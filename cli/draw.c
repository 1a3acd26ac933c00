/* Small grey pictures in a terminal: two rows of pixels in a line, by half blocks with colour where there is colour, else by characters. */
#include "cli.h"

#include <string.h>

static int shade(float v) { return v <= 0 ? 0 : v >= 1 ? 23 : (int)(v * 23 + 0.5f); }

static void pixel_pair(float top, float bottom, bool colours) {
    static const char ramp[] = " .:-=+*#%@";
    if (colours) printf("\033[38;5;%d;48;5;%dm\xe2\x96\x80", 232 + shade(top), 232 + shade(bottom));
    else putchar(ramp[(int)((top + bottom) / 2 * 9.49f)]);
}

void cli_draw(const float *const *pictures, const char *const *texts, int n, int height, int width) {
    bool colours = cli_colours();
    int each = width + 2, fit = cli_columns() / each;
    if (fit < 1) fit = 1;
    for (int first = 0; first < n; first += fit) {
        int last = first + fit < n ? first + fit : n;
        for (int y = 0; y < height; y += 2) {
            for (int k = first; k < last; k++) {
                for (int x = 0; x < width; x++)
                    pixel_pair(pictures[k][y * width + x], y + 1 < height ? pictures[k][(y + 1) * width + x] : 0, colours);
                printf("%s  ", colours ? "\033[0m" : "");
            }
            putchar('\n');
        }
        for (int k = first; k < last; k++) printf("%-*.*s", each, each - 1, texts[k]);
        printf("\n\n");
    }
}
