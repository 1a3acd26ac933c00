/* The line that shows where a training is. */
#ifndef SOMA_CLI_PROGRESS_H
#define SOMA_CLI_PROGRESS_H

#include "cli.h"

typedef struct cli_progress {
    bool terminal, colours;
    double shown;       /* when the line was last drawn */
    double first;       /* seconds of the run when this call's first step was done, and its samples */
    int64_t done, seen; /* samples of this call after its first step; of the epoch at the last step */
    bool drawn;
} cli_progress;

void cli_progress_start(cli_progress *p);
/* As soma_train_opts.progress; user is a cli_progress. */
void cli_progress_step(void *user, const soma_progress *s);
/* Clears the line. */
void cli_progress_end(cli_progress *p);

#endif
