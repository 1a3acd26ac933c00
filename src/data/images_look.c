/* What picture files are there, without decoding them. */
#include "data/images.h"

#include <string.h>

bool soma__images_look_at(soma__images *r, size_t picture, size_t first, size_t bytes) {
    soma_images_found *f = r->found;
    const uint8_t *data = r->data.data + first;
    soma__head h;
    if (!r->archive) {
        char path[4200], why[200];
        soma__images_name(r, r->pictures[picture].name, path, sizeof path);
        r->data.size = 0;
        soma_status s = soma__bytes_read(&r->data, path, why, sizeof why);
        if (s != SOMA_OK && s != SOMA_ERROR_IO) return soma_error_raise(r->ctx, s, "%s: %s", path, why), false;
        data = r->data.data, bytes = s == SOMA_OK ? r->data.size : 0;
    }
    f->pictures++;
    bool fine = bytes && soma__image_head(data, bytes, &h);
    r->data.size = 0;
    if (!fine) return f->broken++, true;
    *(h.png ? &f->png : &f->jpeg) += 1;
    f->grey += h.grey;
    const int64_t size[2] = {h.height, h.width};
    for (int k = 0; k < 2; k++) {
        f->least[k] = f->least[k] && f->least[k] < size[k] ? f->least[k] : size[k];
        f->most[k] = f->most[k] > size[k] ? f->most[k] : size[k];
    }
    return true;
}

/* Of sorted pictures, whose classes have their names. */
bool soma__images_count(soma__images *r, const char *const *names, int64_t n) {
    int64_t *counts = soma_scope_memory(r->ctx, (size_t)(n + 1) * sizeof *counts), c = 0;
    if (!counts) return false;
    memset(counts, 0, (size_t)(n + 1) * sizeof *counts);
    for (size_t i = 0; i < r->n; i++) {
        const soma__picture *p = &r->pictures[i];
        if (i && (p->class_n != p[-1].class_n || memcmp(p->name, p[-1].name, p->class_n) != 0)) c++;
        counts[c]++;
    }
    r->found->classes = names, r->found->counts = counts, r->found->n_classes = n;
    return true;
}
