/* Many pictures as one file. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

int cli_sheet(soma_context *ctx, const char *path, const uint8_t *const *pictures, int rows, int columns, int channels, int height, int width) {
    enum { BETWEEN = 2 };
    int h = rows * (height + BETWEEN) + BETWEEN, w = columns * (width + BETWEEN) + BETWEEN;
    uint8_t *sheet = malloc((size_t)h * (size_t)w * (size_t)channels);
    if (!sheet) return cli_fail("out of memory");
    memset(sheet, 128, (size_t)h * (size_t)w * (size_t)channels);
    for (int k = 0; k < rows * columns; k++)
        for (int y = 0; pictures[k] && y < height; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < channels; c++) {
                    int row = BETWEEN + k / columns * (height + BETWEEN) + y, column = BETWEEN + k % columns * (width + BETWEEN) + x;
                    sheet[((size_t)row * (size_t)w + (size_t)column) * (size_t)channels + (size_t)c] = pictures[k][(c * height + y) * width + x];
                }
    soma_status s = soma_image_write(ctx, path, &(soma_image){sheet, h, w, channels});
    free(sheet);
    return s == SOMA_OK ? CLI_FINE : cli_error(ctx);
}
