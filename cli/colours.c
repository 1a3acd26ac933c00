/* Numbers as colours: a few colours of a table, and straight lines between them. */
#include "figure.h"

#include <math.h>

static void between(const uint8_t (*table)[3], int n, double v, uint8_t rgb[3]) {
    double at = (v > 0 ? v < 1 ? v : 1 : 0) * (n - 1); /* NaN: 0 */
    int i = (int)at < n - 1 ? (int)at : n - 2;
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(table[i][c] + (at - i) * (table[i + 1][c] - table[i][c]) + 0.5);
}

/* Lightness rises evenly, so that it reads alike in grey and by characters. */
void cli_heat(double v, uint8_t rgb[3]) {
    static const uint8_t table[][3] = {{8, 6, 40}, {66, 16, 104}, {136, 34, 106}, {204, 68, 70}, {242, 124, 26}, {250, 194, 54}, {252, 252, 176}};
    between(table, 7, v, rgb);
}

void cli_two_sided(double v, uint8_t rgb[3]) {
    static const uint8_t table[][3] = {{8, 40, 100}, {42, 112, 180}, {150, 196, 222}, {248, 248, 246}, {246, 168, 130}, {202, 62, 68}, {106, 6, 32}};
    between(table, 7, (v + 1) / 2, rgb);
}

void cli_share(double v, uint8_t rgb[3]) {
    static const uint8_t table[][3] = {{255, 255, 255}, {206, 222, 240}, {120, 170, 214}, {38, 104, 172}, {8, 44, 104}};
    between(table, 5, sqrt(v), rgb); /* few mistakes are seen, too */
}
