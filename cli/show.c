/* soma show: what is inside a model, why it answers as it does, and where it fails; as pictures. */
#include "show.h"

#include <stdlib.h>
#include <string.h>

soma_dataset *cli_shown_test(cli_shown *s) {
    if (!s->test) s->test = s->table ? cli_table_part(s->ctx, s->m, s->table) : cli_part(s->ctx, s->recipe, s->model, s->data, false);
    return s->test;
}

soma_image *cli_sample_image(soma_context *ctx, const float *x, int64_t channels, int64_t height, int64_t width) {
    soma_image *i = cli_image(ctx, height, width, channels);
    for (int64_t k = 0, plane = height * width; i && k < plane * channels; k++) {
        float v = x[k % channels * plane + k / channels];
        i->pixels[k] = (uint8_t)(v > 0 ? v < 255 ? v + 0.5F : 255 : 0);
    }
    return i;
}

static bool sample_of(cli_shown *s, const char *word, float *inputs) {
    char *end;
    long long i = strtoll(word + 5, &end, 10);
    soma_dataset *test = cli_shown_test(s);
    if (!test) return false;
    if (*end || end == word + 5 || i < 0 || i >= (long long)soma_dataset_count(test))
        return cli_fail("%s: the test part has samples test:0 to test:%lld", word, (long long)soma_dataset_count(test) - 1), false;
    const int64_t *shape, *own;
    int64_t ndim, own_ndim;
    soma_dataset_shape(test, &shape, &ndim), soma_model_input(s->m, &own, &own_ndim);
    if (ndim != own_ndim || memcmp(shape, own, (size_t)ndim * sizeof *shape) != 0)
        return cli_fail("%s: the data's samples have another shape than the model's", word), false;
    return soma_dataset_raw(test, 0, i, inputs, NULL) == SOMA_OK || cli_error(s->ctx) == CLI_FINE;
}

bool cli_photo_of(cli_shown *s, const char *word, cli_photo *out) {
    const soma_picture_info *info = soma_model_pictures(s->m);
    const int64_t *shape;
    int64_t ndim, outputs = soma_model_outputs(s->m);
    if (!info) return cli_fail("%s: the model was not trained on pictures", s->word), false;
    soma_model_input(s->m, &shape, &ndim);
    *out = (cli_photo){.channels = info->channels, .height = shape[ndim - 2], .width = shape[ndim - 1]};
    float *said = soma_scope_memory(s->ctx, (size_t)outputs * sizeof *said);
    out->inputs = soma_scope_memory(s->ctx, (size_t)(out->channels * out->height * out->width) * sizeof *out->inputs);
    if (!said || !out->inputs) return cli_error(s->ctx), false;
    if (strncmp(word, "test:", 5) == 0) {
        if (!sample_of(s, word, out->inputs)) return false;
    } else {
        const soma_image *i = soma_image_read(s->ctx, word, NULL);
        if (!i || soma_model_picture(s->m, i, out->inputs) != SOMA_OK) return cli_error(s->ctx), false;
    }
    out->picture = cli_sample_image(s->ctx, out->inputs, out->channels, out->height, out->width);
    if (!out->picture || soma_model_predict(s->m, out->inputs, 1, said) != SOMA_OK) return cli_error(s->ctx), false;
    for (int64_t c = 1; c < outputs; c++)
        if (said[c] > said[out->class]) out->class = c;
    out->p = (double)said[out->class];
    return true;
}

/* What was asked for, in the order of --help. */
typedef struct wishes {
    bool filters, confusion, mistakes, augmented;
    const char *features, *saliency, *grad_cam, *out;
} wishes;

static int show(cli_shown *s, const wishes *w) {
    char room[4200];
    s->model = cli_model_path(s->word, room, sizeof room);
    if (soma_model_load(s->ctx, s->model, &s->m) != SOMA_OK) return cli_error(s->ctx);
    bool fine = (!w->filters || cli_show_filters(s)) && (!w->features || cli_show_features(s, w->features)) &&
                (!w->saliency || cli_show_saliency(s, w->saliency)) && (!w->grad_cam || cli_show_grad_cam(s, w->grad_cam)) &&
                (!w->confusion || cli_show_confusion(s)) && (!w->mistakes || cli_show_mistakes(s)) && (!w->augmented || cli_show_augmented(s));
    if (!fine) return CLI_FAILED;
    return soma_error_status(s->ctx) == SOMA_OK ? cli_figure_show(&s->figure, w->out) : cli_error(s->ctx);
}

int cli_show(int argc, char **argv, const cli_command *self) {
    wishes w = {0};
    cli_shown s = {0};
    int64_t threads = 0;
    const cli_option options[] = {
        {"--filters", NULL, "what the first layer looks for: its weights", CLI_FLAG, &w.filters},
        {"--features", "PHOTO", "what each layer makes of a file, or of sample test:3", CLI_TEXT, &w.features},
        {"--saliency", "PHOTO", "the pixels that the answer hangs on", CLI_TEXT, &w.saliency},
        {"--grad-cam", "PHOTO", "the places in it that speak for the answer", CLI_TEXT, &w.grad_cam},
        {"--confusion", NULL, "which class was taken for which", CLI_FLAG, &w.confusion},
        {"--mistakes", NULL, "the worst mistakes on the test data", CLI_FLAG, &w.mistakes},
        {"--augmented", NULL, "what epochs make of samples (soma data, too)", CLI_FLAG, &w.augmented},
        {"--layer", "NAME", "of filters, features, grad-cam: its number or kind", CLI_TEXT, &s.layer},
        {"--class", "NAME", "of saliency, grad-cam; default: the predicted one", CLI_TEXT, &s.class},
        {"--most", "N", "maps of a layer (16), filters (64), mistakes (24)", CLI_INTEGER, &s.most},
        {"-o", "FILE", "a .png or .svg file; default: the terminal", CLI_TEXT, &w.out},
        {"--data", "DIR", "where data paths start (or SOMA_DATA)", CLI_TEXT, &s.data},
        {"--recipe", "RECIPE", "whose test data; default: beside the model", CLI_TEXT, &s.recipe},
        {"--threads", "N", "default: one per processor; the same result", CLI_INTEGER, &threads},
    };
    cli_words words;
    int status = cli_read(self, argc, argv, options, (int)(sizeof options / sizeof *options), &words, 1, 2);
    if (status >= 0) return status;
    if (!w.filters && !w.features && !w.saliency && !w.grad_cam && !w.confusion && !w.mistakes && !w.augmented) {
        cli_fail(
            "show: what is to be shown? --filters, --features PHOTO, --saliency PHOTO, --grad-cam PHOTO, --confusion, --mistakes or --augmented");
        return CLI_USAGE;
    }
    if (!cli_figure_fits(w.out)) return CLI_USAGE;
    if (!(s.ctx = cli_context(threads))) return CLI_FAILED;
    s.figure.ctx = s.ctx, s.word = words.words[0], s.table = words.n > 1 ? words.words[1] : NULL;
    if (!s.data) s.data = getenv("SOMA_DATA");
    status = show(&s, &w);
    soma_context_free(s.ctx);
    return status;
}
