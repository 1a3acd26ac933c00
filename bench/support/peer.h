/* A peer library in a process of its own (peer.py), asked line by line over pipes. It is stopped while it is not asked, so that its
 * threads take nothing from the others. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_MAX_WAYS 8
#define PEER_REPLY 512

typedef struct peer {
    const char *framework;
    int threads;
    pid_t pid; /* 0: not running */
    int to, from;
    char reply[PEER_REPLY]; /* the last answer */
    char version[64];       /* what it calls itself */
    char ways[PEER_REPLY];  /* names of the ways of the work that is prepared, with 0 between them */
    const char *way[PEER_MAX_WAYS];
    int way_count;
} peer;

/* Starts `python script framework threads`, its stderr appended to the file `log`. False when the framework is not there. */
bool peer_start(peer *p, const char *python, const char *script, const char *log, const char *framework, int threads);
/* Makes the peer ready for a workload and fills its ways. False: it has none. */
bool peer_prepare(peer *p, const char *spec, double block_seconds);
/* Seconds of a step, the mean over a block; negative when the peer failed. */
double peer_block(peer *p, int way);
void peer_stop(peer *p);

#endif
