/* Numbers by the exact fast path (Clinger 1990), a quotient of 128 bits for up to 19 digits, and the C library's strtod for the rest: each gives the
 * nearest double. */
#include "data/cell.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* w / 10^k for w above 0 and k in 1..19. */
static double quotient(uint64_t w, int k) {
    uint64_t ten = 1;
    for (int i = 0; i < k; i++) ten *= 10;
    int zeros = __builtin_clzll(w);
    unsigned __int128 n = (unsigned __int128)(w << zeros) << 64, q = n / ten;
    bool rest = q * ten != n;
    uint64_t high = (uint64_t)(q >> 64);
    int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)q), drop = bits - 53;
    uint64_t kept = (uint64_t)(q >> drop);
    unsigned __int128 lost = q & (((unsigned __int128)1 << drop) - 1), half = (unsigned __int128)1 << (drop - 1);
    if (lost > half || (lost == half && (rest || (kept & 1)))) kept++;
    int e = drop - zeros - 64; /* the result is kept * 2^e, a normal number */
    union {
        uint64_t u;
        double d;
    } scale = {(uint64_t)(e + 1023) << 52};
    return (double)kept * scale.d;
}

static bool by_library(const char *s, size_t n, char decimal, double *out) {
    char room[512], *end;
    if (n >= sizeof room) return false;
    memcpy(room, s, n);
    room[n] = 0;
    char *comma = decimal == ',' ? memchr(room, ',', n) : NULL;
    if (comma) *comma = '.';
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    locale_t before = uselocale(plain);
    *out = strtod(room, &end);
    uselocale(before);
    freelocale(plain);
    return end == room + n;
}

static bool word(const char *s, size_t n, const char *lower) {
    if (strlen(lower) != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((s[i] | 0x20) != lower[i]) return false;
    return true;
}

bool soma__cell_number(const char *s, size_t n, char decimal, double *out) {
    const char *p = s, *end = s + n;
    bool negative = n && *p == '-';
    if (n && (*p == '-' || *p == '+')) p++;
    uint64_t w = 0;
    int digits = 0, exponent = 0;
    const char *first = p;
    for (; p < end && (unsigned)(*p - '0') < 10; p++) w = w * 10 + (unsigned)(*p - '0');
    digits = (int)(p - first < 1000 ? p - first : 1000);
    if (p < end && *p == decimal) {
        const char *point = ++p;
        for (; p < end && (unsigned)(*p - '0') < 10; p++) w = w * 10 + (unsigned)(*p - '0');
        int behind = (int)(p - point < 1000 ? p - point : 1000);
        digits += behind, exponent = -behind;
    }
    if (!digits) {
        if (!word(p, (size_t)(end - p), "inf") && !word(p, (size_t)(end - p), "infinity")) return false;
        *out = negative ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    if (p < end && (*p | 0x20) == 'e') {
        int e = 0;
        p++;
        bool down = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        if (p == end) return false;
        for (; p < end && (unsigned)(*p - '0') < 10; p++) e = e < 100000 ? e * 10 + (*p - '0') : e;
        exponent += down ? -e : e;
    }
    if (p != end) return false;
    if (digits > 19) return by_library(s, n, decimal, out);
    double v;
    if (w < (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) v = exponent < 0 ? (double)w / tens[-exponent] : (double)w * tens[exponent];
    else if (!exponent) v = (double)w;
    else if (exponent < 0 && exponent >= -19) v = quotient(w, -exponent);
    else return by_library(s, n, decimal, out);
    *out = negative ? -v : v;
    return true;
}

/* Reads `least` to `most` digits. */
static bool digits_of(const char **p, const char *end, int least, int most, int *out) {
    int n = 0;
    for (*out = 0; *p < end && n < most && (unsigned)(**p - '0') < 10; (*p)++, n++) *out = *out * 10 + (**p - '0');
    return n >= least;
}
static bool is(const char **p, const char *end, char c) { return *p < end && **p == c ? (*p)++, true : false; }

/* Days since 1970-01-01 in the Gregorian calendar (years as 400-year cycles that begin in March). */
static double days(int y, int m, int d) {
    y -= m <= 2;
    int era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400, of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int since = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return since;
}

static bool clock_of(const char *p, const char *end, double *seconds) {
    int hour, minute, second = 0, zone_hour = 0, zone_minute = 0;
    double part = 0, unit = 0.1;
    if (!digits_of(&p, end, 2, 2, &hour) || !is(&p, end, ':') || !digits_of(&p, end, 2, 2, &minute)) return false;
    if (is(&p, end, ':') && !digits_of(&p, end, 2, 2, &second)) return false;
    if (is(&p, end, '.'))
        for (; p < end && (unsigned)(*p - '0') < 10; p++, unit /= 10) part += unit * (*p - '0');
    bool plus = p < end && *p == '+', minus = p < end && *p == '-';
    if (plus || minus) {
        p++;
        if (!digits_of(&p, end, 2, 2, &zone_hour)) return false;
        is(&p, end, ':');
        if (p < end && !digits_of(&p, end, 2, 2, &zone_minute)) return false;
    } else is(&p, end, 'Z');
    *seconds = hour * 3600 + minute * 60 + second + part - (plus ? 1 : minus ? -1 : 0) * (zone_hour * 3600 + zone_minute * 60);
    return p == end && hour < 24 && minute < 60 && second < 61;
}

bool soma__cell_date(const char *s, size_t n, double *out) {
    const char *p = s, *end = s + n;
    int y, m, d = 1, lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    double seconds = 0;
    if (n < 7 || n > 40) return false;
    if (s[2] == '.' || s[1] == '.') {
        if (!digits_of(&p, end, 1, 2, &d) || !is(&p, end, '.') || !digits_of(&p, end, 1, 2, &m) || !is(&p, end, '.') || !digits_of(&p, end, 4, 4, &y))
            return false;
    } else {
        if (!digits_of(&p, end, 4, 4, &y) || (*p != '-' && *p != '/')) return false;
        char between = *p++;
        if (!digits_of(&p, end, 1, 2, &m)) return false;
        if (is(&p, end, between) && !digits_of(&p, end, 1, 2, &d)) return false;
    }
    if (p < end) {
        if (*p != ' ' && *p != 'T') return false;
        p++;
        if (!clock_of(p, end, &seconds)) return false;
    }
    if (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)) lengths[1] = 29;
    if (m < 1 || m > 12 || d < 1 || d > lengths[m - 1]) return false;
    *out = days(y, m, d) + seconds / 86400;
    return true;
}

bool soma__cell_missing(const char *s, size_t n) {
    if (!n) return true;
    if (n > 4) return false;
    return (n == 1 && *s == '?') || word(s, n, "na") || word(s, n, "nan") || word(s, n, "null") || word(s, n, "none") ||
           (n == 3 && word(s, 1, "n") && s[1] == '/' && word(s + 2, 1, "a"));
}

size_t soma__not_utf8(const char *text, size_t n) {
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        size_t more = s[i] < 0x80 ? 0 : s[i] >= 0xc2 && s[i] < 0xe0 ? 1 : (s[i] & 0xf0) == 0xe0 ? 2 : s[i] >= 0xf0 && s[i] < 0xf5 ? 3 : 4;
        if (more == 4 || more >= n - i) return i;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80) return i;
        if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] >= 0xa0) || (s[i] == 0xf0 && s[i + 1] < 0x90) ||
            (s[i] == 0xf4 && s[i + 1] >= 0x90))
            return i;
        i += more + 1;
    }
    return (size_t)-1;
}
