/* Folders and archives of pictures: which parts they have, and soma data of them. */
#include "cli.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool cli_is_pictures(const char *path) {
    static const char *const ends[] = {".tar", ".tar.gz", ".tgz"};
    struct stat st;
    size_t n = strlen(path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && strcasecmp(path + n - strlen(ends[i]), ends[i]) == 0) return true;
    return false;
}

bool cli_find_parts(soma_context *ctx, const char *path, cli_parts *out) {
    static const char *const to_learn[] = {"train", "training"};
    static const char *const to_measure[] = {"test", "testing", "val", "valid", "validation", "eval", "dev"}; /* the first one that is there */
    const char *const *names;
    int64_t n, parts = 0;
    size_t best = sizeof to_measure / sizeof *to_measure;
    *out = (cli_parts){0};
    if (soma_images_classes(ctx, path, &names, &n, NULL) != SOMA_OK) return cli_error(ctx), false;
    for (int64_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof to_learn / sizeof *to_learn; k++)
            if (strcasecmp(names[i], to_learn[k]) == 0) out->learn = names[i], parts++;
        for (size_t k = 0; k < sizeof to_measure / sizeof *to_measure; k++)
            if (strcasecmp(names[i], to_measure[k]) == 0) {
                parts++;
                if (k < best) best = k, out->measure = names[i];
            }
    }
    if (parts != n) out->learn = out->measure = NULL; /* there are other folders: they are classes */
    return true;
}

void cli_say_found(const soma_images_found *f) {
    bool one = f->least[0] == f->most[0] && f->least[1] == f->most[1];
    const struct {
        int64_t n;
        const char *what;
    } kinds[] = {{f->png, "PNG"}, {f->jpeg, "JPEG"}, {f->broken, "of another kind"}};
    int said = 0;
    if (f->png == f->pictures || f->jpeg == f->pictures) printf("%lld %s pictures", (long long)f->pictures, kinds[f->png != f->pictures].what);
    else {
        printf("%lld pictures", (long long)f->pictures);
        for (int i = 0; i < 3; i++)
            if (kinds[i].n) printf("%s%lld %s", said++ ? ", " : ": ", (long long)kinds[i].n, kinds[i].what);
    }
    bool grey = f->grey == f->png + f->jpeg;
    if (f->grey && grey) printf("; all grey");
    else if (f->grey) printf("; %lld grey", (long long)f->grey);
    if (f->most[0] && one) printf("; %lld x %lld pixels", (long long)f->most[0], (long long)f->most[1]);
    else if (f->most[0])
        printf("; %lld to %lld pixels high, %lld to %lld wide", (long long)f->least[0], (long long)f->most[0], (long long)f->least[1],
               (long long)f->most[1]);
    putchar('\n');
}

/* A part, brought to one size where pictures have several, or are large and many. Its data set; NULL when it said why not. */
static soma_dataset *describe(soma_context *ctx, const char *path, const char *part) {
    enum { SIDE = 64, MOST = 1 << 28 };
    soma_images_found f;
    soma_images_opts o = {.part = part, .skip_broken = 1};
    if (soma_images_find(ctx, path, &f, &o) != SOMA_OK) return cli_error(ctx), NULL;
    bool as_they_are = f.least[0] == f.most[0] && f.least[1] == f.most[1] && f.pictures * f.most[0] * f.most[1] <= MOST;
    if (!as_they_are) o.size[0] = o.size[1] = SIDE;
    o.channels = f.grey == f.png + f.jpeg ? 1 : 3;
    if (f.pictures) {
        char name[200];
        snprintf(name, sizeof name, "%.150s%s%.40s", path, part ? "/" : "", part ? part : "");
        printf("%s: ", cli_plain(name));
        cli_say_found(&f);
    }
    soma_dataset *d = soma_dataset_images(ctx, path, &o);
    if (!d) return cli_error(ctx), NULL;
    cli_part_lines(as_they_are ? "decoded" : "decoded, and made one size here", d);
    printf("digest of the decoded pixels: %016llx\n", (unsigned long long)soma_dataset_digest(d));
    return d;
}

/* Classes that only the part to measure with has: nothing could learn them. */
static void compare(const soma_dataset *learn, const soma_dataset *measure) {
    const soma_picture_info *a = soma_dataset_pictures(learn), *b = soma_dataset_pictures(measure);
    for (int64_t i = 0; i < b->n_classes; i++) {
        int64_t k = 0;
        char name[100];
        while (k < a->n_classes && strcmp(a->classes[k], b->classes[i]) != 0) k++;
        snprintf(name, sizeof name, "%.90s", b->classes[i]);
        if (k == a->n_classes) printf("note: there is nothing to learn the class '%s' from\n", cli_plain(name));
    }
}

int cli_data_pictures(soma_context *ctx, const char *path, const char *out) {
    cli_parts parts;
    if (!cli_find_parts(ctx, path, &parts)) return CLI_FAILED;
    soma_dataset *first = describe(ctx, path, parts.learn ? parts.learn : parts.measure), *second = NULL;
    if (!first) return CLI_FAILED;
    if (parts.learn && parts.measure) {
        putchar('\n');
        if (!(second = describe(ctx, path, parts.measure))) return CLI_FAILED;
        compare(first, second);
    }
    if (out) return cli_gallery_sheet(ctx, first, out, false);
    cli_gallery(ctx, first);
    return CLI_FINE;
}
