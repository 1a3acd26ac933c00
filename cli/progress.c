/* On a terminal one line that is drawn anew ten times a second; else one line an epoch. */
#include "progress.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

void cli_progress_start(cli_progress *p) { *p = (cli_progress){.terminal = isatty(STDOUT_FILENO), .colours = cli_colours(), .first = -1}; }

static void clock_text(char *out, size_t size, double seconds) {
    long s = seconds < 0 || seconds > 1e7 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600) snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static void rate_text(char *out, size_t size, double rate) {
    if (rate >= 1e6) snprintf(out, size, "%.1f M/s", rate / 1e6);
    else if (rate >= 1e4) snprintf(out, size, "%.0f k/s", rate / 1e3);
    else snprintf(out, size, "%.0f /s", rate);
}

/* epoch 3/10 [=====>    ] loss 0.123  97.81 %  120 k/s  0:12 left: what does not fit is left out, the bar first. */
static void draw(cli_progress *p, const soma_progress *s) {
    char head[48], tail[128], left[24], rate[24], accuracy[24] = "";
    int columns = cli_columns() - 1;
    double seconds = s->seconds - p->first, speed = seconds > 0 ? (double)p->done / seconds : 0;
    int64_t whole = s->epochs * s->epoch_samples, behind = (s->epoch - 1) * s->epoch_samples + s->samples;
    clock_text(left, sizeof left, speed > 0 ? (double)(whole - behind) / speed : 0);
    rate_text(rate, sizeof rate, speed);
    if (!isnan(s->accuracy)) snprintf(accuracy, sizeof accuracy, "  %.2f %%", 100 * s->accuracy);
    int h = snprintf(head, sizeof head, "epoch %lld/%lld ", (long long)s->epoch, (long long)s->epochs);
    int t = snprintf(tail, sizeof tail, " loss %.4f%s  %s  %s left", s->loss, accuracy, rate, left);
    int bar = columns - h - t - 2;
    if (bar > 40) bar = 40;
    if (bar < 5) bar = 0;
    int full = bar ? (int)((double)bar * (double)s->step / (double)s->steps) : 0;
    char line[64];
    memset(line, ' ', sizeof line);
    for (int i = 0; i < full; i++) line[i] = i + 1 == full && full < bar ? '>' : '=';
    printf("\r%.*s", columns, head);
    if (bar) printf("[%s%.*s%s]", p->colours ? "\033[36m" : "", bar, line, p->colours ? "\033[0m" : "");
    if (h < columns) printf("%.*s", columns - h, tail);
    printf("\033[K");
    fflush(stdout);
    p->drawn = true;
}

void cli_progress_end(cli_progress *p) {
    if (p->drawn) printf("\r\033[K");
    fflush(stdout);
    p->drawn = false;
}

void cli_progress_step(void *user, const soma_progress *s) {
    cli_progress *p = user;
    if (!s->epoch_ends) {
        if (p->first < 0) p->first = s->seconds;
        else p->done += s->samples > p->seen ? s->samples - p->seen : s->samples; /* a new epoch counts from 0 */
        p->seen = s->samples;
    }
    if (s->epoch_ends) {
        cli_progress_end(p);
        char took[24];
        clock_text(took, sizeof took, s->seconds);
        bool narrow = p->terminal && cli_columns() < 72;
        char score[80];
        if (isnan(s->accuracy)) snprintf(score, sizeof score, narrow ? "R2 %.4f" : "R2 %.4f  MAE %.4g  RMSE %.4g", s->r2, s->mae, s->rmse);
        else snprintf(score, sizeof score, narrow ? "%.2f %%" : "accuracy %.2f %%", 100 * s->accuracy);
        printf(narrow ? "epoch %lld/%lld  loss %.4f  test %.4f  %s\n" : "epoch %lld/%lld  loss %.4f  test loss %.4f  %s  ", (long long)s->epoch,
               (long long)s->epochs, s->loss, s->test_loss, score);
        if (!narrow) printf("%s\n", took);
        fflush(stdout);
        return;
    }
    double now = soma_seconds();
    if (!p->terminal || now - p->shown < 0.1) return;
    p->shown = now;
    draw(p, s);
}
