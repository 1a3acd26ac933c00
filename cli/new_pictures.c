/* soma new: a recipe that suits a folder or an archive of pictures. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct plan {
    int64_t n, classes, height, width, batch, epochs;
    bool grey, same; /* same: pictures have this size already */
} plan;

/* Small pictures stay as they are, others become squares. Some thousand steps. */
static void choose(plan *p, const soma_images_found *f) {
    enum { MOST = 64 };
    p->n = f->pictures - f->broken, p->classes = f->n_classes;
    p->grey = f->grey == f->png + f->jpeg;
    p->same = f->least[0] == f->most[0] && f->least[1] == f->most[1] && f->most[0] <= MOST && f->most[1] <= MOST;
    p->height = p->same ? f->most[0] : f->most[0] >= MOST || f->most[1] >= MOST ? MOST : MOST / 2;
    p->width = p->same ? f->most[1] : p->height;
    p->batch = p->n < 2000 ? 16 : p->n < 20000 ? 64 : 128;
    p->epochs = 2400 * p->batch / p->n;
    p->epochs = p->epochs < 10 ? 10 : p->epochs > 60 ? 60 : p->epochs;
}

static void write_data(const plan *p, const char *path, const cli_parts *parts) {
    char *whole = realpath(path, NULL);
    printf("data:\n  kind: images\n  path: ");
    cli_yaml_text(whole ? whole : path);
    printf("   # a path that begins with no / starts at --data (or SOMA_DATA)\n  train: ");
    cli_yaml_text(parts->learn ? parts->learn : "");
    if (parts->learn && parts->measure) {
        printf("\n  test: ");
        cli_yaml_text(parts->measure);
        putchar('\n');
    } else printf("%s\n  hold_out: 0.2   # this share of each class is kept for measuring\n", parts->learn ? "" : "   # all of it");
    printf("  size: [%lld, %lld]   # %s\n", (long long)p->height, (long long)p->width,
           p->same ? "height and width, as the pictures have them"
                   : "height and width that all are brought to; fit: crop cuts, and does not stretch");
    printf("  channels: %d   # %s\n", p->grey ? 1 : 3, p->grey ? "grey" : "1 would make them grey");
    printf("  broken: error   # skip leaves out pictures that cannot be read\n  normalise: train\n");
    printf("  transforms:   # changes to pictures that are learned from, other ones each epoch\n    - random_crop: {size: [%lld, %lld], padding: "
           "%lld}\n",
           (long long)p->height, (long long)p->width, (long long)(p->height < p->width ? p->height : p->width) / 8);
    printf(p->grey ? "    # - horizontal_flip   # where left and right may be changed\n"
                   : "    - horizontal_flip   # not where left and right make a difference\n");
    free(whole);
}

/* Convolutions with pools between them until some 4 x 4 places are left. */
static void write_rest(const plan *p) {
    int64_t h = p->height, w = p->width, channels = 16;
    printf("\nmodel:\n");
    do {
        printf("  - conv: {channels: %lld, kernel: 3, padding: same}\n  - batch_norm\n  - relu\n", (long long)channels);
        if (h >= 4 && w >= 4) printf("  - max_pool: 2\n");
        h /= 2, w /= 2;
        channels = channels < 64 ? 2 * channels : 64;
    } while (h >= 8 && w >= 8);
    printf("  - flatten\n  - dropout: 0.2\n  - linear: %lld   # one for each class\n\n", (long long)p->classes);
    printf("loss: cross_entropy   # for rare classes: {cross_entropy: {class_weights: balanced}}\n");
    printf("optimizer: {adam: {lr: 0.002}}\nschedule: cosine   # the rate falls to 0 at the end\n");
    printf("train: {epochs: %lld, batch: %lld, seed: 1}\n", (long long)p->epochs, (long long)p->batch);
}

int cli_new_pictures(soma_context *ctx, const char *path) {
    soma_images_found f;
    cli_parts parts;
    plan p;
    if (!cli_find_parts(ctx, path, &parts)) return CLI_FAILED;
    if (!parts.learn && parts.measure) return cli_fail("%s: there is a part '%s', and none to learn from", path, parts.measure);
    if (soma_images_find(ctx, path, &f, &(soma_images_opts){.part = parts.learn}) != SOMA_OK) return cli_error(ctx);
    if (f.pictures - f.broken < 2 || f.n_classes < 2)
        return cli_fail("%s%s%s: there is nothing to learn: pictures in two class folders or more are wanted", path, parts.learn ? "/" : "",
                        parts.learn ? parts.learn : "");
    choose(&p, &f);
    const char *slash = strrchr(path, '/');
    printf("# ");
    cli_yaml_comment(slash && slash[1] ? slash + 1 : path);
    printf(", %lld classes, ", (long long)p.classes);
    cli_say_found(&f);
    for (int64_t i = 0; i < f.n_classes && i < 40; i++) {
        printf("#   ");
        cli_yaml_comment(f.classes[i]);
        printf(": %lld\n", (long long)f.counts[i]);
    }
    if (f.n_classes > 40) printf("#   ... and %lld more\n", (long long)f.n_classes - 40);
    write_data(&p, path, &parts);
    write_rest(&p);
    return CLI_FINE;
}
