/* Which picture files are meant by words: files, and what lies in folders. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct list {
    char **paths;
    size_t n, room;
} list;

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_as_photo(const char *name) {
    static const char *const ends[] = {".png", ".jpg", ".jpeg", ".jpe", ".jfif"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

int cli_skips(const char *word) {
    if (strcmp(word, "skip") == 0) return 1;
    return strcmp(word, "error") == 0 ? 0 : (cli_fail("--broken is 'error' or 'skip', not '%s'", word), -1);
}

bool cli_is_photo(const char *path) {
    unsigned char head[8] = {0};
    struct stat st;
    if (is_folder(path)) return true;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return false;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    return ends_as_photo(path) || (n == sizeof head && (memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0 || memcmp(head, "\xff\xd8\xff", 3) == 0));
}

static bool add(list *l, const char *folder, const char *name) {
    if (l->n + 2 > l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        char **more = realloc(l->paths, room * sizeof *more);
        if (!more) return false;
        l->paths = more, l->room = room;
        l->paths[l->n] = NULL;
    }
    size_t n = (folder ? strlen(folder) : 0) + strlen(name) + 2;
    char *path = malloc(n);
    if (!path) return false;
    snprintf(path, n, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    l->paths[l->n++] = path;
    l->paths[l->n] = NULL;
    return true;
}

static bool add_folder(list *l, const char *folder, int depth) {
    DIR *d = depth < 16 ? opendir(folder) : NULL;
    bool fine = true;
    if (!d) return cli_fail("%s: cannot open the folder: %s", folder, depth < 16 ? strerror(errno) : "too deep"), false;
    for (struct dirent *e; fine && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        size_t before = l->n;
        if (!add(l, folder, e->d_name)) fine = cli_fail("out of memory") == CLI_FINE;
        else if (is_folder(l->paths[before])) {
            char *inner = l->paths[--l->n];
            l->paths[l->n] = NULL;
            fine = add_folder(l, inner, depth + 1);
            free(inner);
        } else if (!ends_as_photo(e->d_name)) {
            free(l->paths[--l->n]);
            l->paths[l->n] = NULL;
        }
    }
    closedir(d);
    return fine;
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

char **cli_photos(const char *const *words, int n) {
    list l = {0};
    bool fine = true;
    for (int i = 0; fine && i < n; i++) {
        size_t first = l.n;
        if (!is_folder(words[i])) {
            if (!add(&l, NULL, words[i])) fine = cli_fail("out of memory") == CLI_FINE;
            continue;
        }
        fine = add_folder(&l, words[i], 0);
        if (fine && l.n == first) fine = cli_fail("%s: there are no pictures in the folder", words[i]) == CLI_FINE;
        if (fine && l.paths) qsort(l.paths + first, l.n - first, sizeof *l.paths, compare);
    }
    if (fine) return l.paths;
    cli_photos_free(l.paths);
    return NULL;
}

void cli_photos_free(char **photos) {
    for (char **p = photos; p && *p; p++) free(*p);
    free(photos);
}
