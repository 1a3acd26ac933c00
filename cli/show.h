/* What soma show is asked for, and the figure that it fills. */
#ifndef SOMA_CLI_SHOW_H
#define SOMA_CLI_SHOW_H

#include "figure.h"

typedef struct cli_shown {
    soma_context *ctx;
    soma_model *m;
    const char *word, *model;          /* as it was given, and the file */
    const char *table, *recipe, *data; /* where samples come from */
    const char *layer, *class;         /* names; NULL: none given */
    int64_t most;                      /* 0: none given */
    cli_figure figure;
    soma_dataset *test; /* when it is there already */
} cli_shown;

/* Each adds blocks to the figure; false when it said why not. */
bool cli_show_filters(cli_shown *s);
bool cli_show_features(cli_shown *s, const char *photo);
bool cli_show_saliency(cli_shown *s, const char *photo);
bool cli_show_grad_cam(cli_shown *s, const char *photo);
bool cli_show_confusion(cli_shown *s);
bool cli_show_mistakes(cli_shown *s);
bool cli_show_augmented(cli_shown *s);

/* The data to measure on; NULL when it said why not. */
soma_dataset *cli_shown_test(cli_shown *s);
/* A sample as the model takes it, and as a picture. */
typedef struct cli_photo {
    float *inputs;
    const soma_image *picture;
    int64_t channels, height, width;
    int64_t class; /* that is predicted; of values 0 */
    double p;      /* its probability, or the value */
} cli_photo;
/* A file's picture, prepared as the model's test part, or for "test:3" sample 3 of it. False when it said why not. */
bool cli_photo_of(cli_shown *s, const char *word, cli_photo *out);
/* A sample's bytes as a picture; NULL with the error pending. */
soma_image *cli_sample_image(soma_context *ctx, const float *x, int64_t channels, int64_t height, int64_t width);

#endif
