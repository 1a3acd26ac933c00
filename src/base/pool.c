/* The pool. A job is a counter of pieces that caller and workers claim from. A worker that has just worked spins for about half a millisecond, then
 * sleeps on a condition; a spinning one costs nothing to call, a sleeping one 40 to 100 us, so that it is woken for long jobs only. The caller waits
 * for claimed pieces alone: a worker that the system has put aside before it claimed delays nobody. */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/fork.h"
#include "base/fpmode.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define SPIN_NS 500000   /* how long a worker spins after a job */
#define SHARE_NS 1000.0  /* work worth giving to a spinning worker */
#define WAKE_NS 200000.0 /* work worth waking a sleeping one for */
#define PIECE_BITS 40    /* of a ticket: the next piece; above it the job's number */

typedef struct worker {
    pthread_t thread;
    soma__pool *pool;
    int slot;
    bool started;
} worker;

struct soma__pool {
    soma_allocator alloc;
    int threads, started;
    uint64_t forks; /* of the process that made it */
    bool tried;
    double missed_ns; /* work that the caller did while workers slept */
    /* the job: written before its ticket is published, read after a claim of that ticket */
    soma__piece_fn fn;
    void *arg;
    _Atomic int64_t pieces;
    _Alignas(64) _Atomic uint64_t ticket; /* job number and next piece in one word: a claim is for this job or fails */
    _Alignas(64) _Atomic int64_t done;
    _Alignas(64) _Atomic int sleeping;
    _Atomic bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    worker *workers;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t job_of(uint64_t ticket) { return ticket >> PIECE_BITS; }
static int64_t piece_of(uint64_t ticket) { return (int64_t)(ticket & (((uint64_t)1 << PIECE_BITS) - 1)); }

/* Claims and runs pieces of job `job` until none is left. The pool's fields of a job stay as they are until all its claimed pieces are done, so
 * what is read after a successful claim belongs to it. */
static void work(soma__pool *p, uint64_t job, int slot) {
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while (job_of(t) == job && piece_of(t) < atomic_load_explicit(&p->pieces, memory_order_relaxed)) {
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t + 1, memory_order_acq_rel, memory_order_acquire)) continue;
        p->fn(p->arg, piece_of(t), slot);
        atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
}

/* Waits for a job after `last`: spinning first, asleep later. */
static uint64_t next_job(soma__pool *p, uint64_t last) {
    int64_t until = now_ns() + SPIN_NS;
    for (unsigned i = 1;; i++) {
        uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
        if (job_of(t) != last || atomic_load_explicit(&p->quit, memory_order_relaxed)) return job_of(t);
        pause_cpu();
        if (i % 64 == 0 && now_ns() > until) break;
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleeping, 1);
    while (job_of(atomic_load(&p->ticket)) == last && !atomic_load(&p->quit)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleeping, 1);
    pthread_mutex_unlock(&p->lock);
    return job_of(atomic_load(&p->ticket));
}

static void *worker_main(void *arg) {
    worker *w = arg;
    soma__pool *p = w->pool;
    soma__fpmode_enter();
    uint64_t last = 0;
    while (!atomic_load_explicit(&p->quit, memory_order_acquire)) {
        uint64_t job = next_job(p, last);
        if (job != last) work(p, job, w->slot);
        last = job;
    }
    return NULL;
}

soma_status soma__pool_create(const soma_allocator *alloc, int threads, soma__pool **out) {
    *out = NULL;
    soma__pool *p = soma__calloc(alloc, sizeof *p);
    if (!p) return SOMA_ERROR_MEMORY;
    if (!soma__fork_watch()) {
        soma__free(alloc, p, sizeof *p);
        return SOMA_ERROR_MEMORY;
    }
    p->alloc = *alloc;
    p->threads = threads < 1 ? 1 : threads;
    p->forks = soma__forks();
    p->workers = soma__calloc(alloc, (size_t)p->threads * sizeof *p->workers);
    if (!p->workers) {
        soma__free(alloc, p, sizeof *p);
        return SOMA_ERROR_MEMORY;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    *out = p;
    return SOMA_OK;
}

/* A thread that cannot be had is done without. */
static void start(soma__pool *p) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < p->threads; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.pool = p, .slot = i};
        w->started = pthread_create(&w->thread, NULL, worker_main, w) == 0;
        p->started += w->started;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    p->tried = true;
}

void soma__pool_destroy(soma__pool *p) {
    if (!p) return;
    if (p->started && soma__forks() == p->forks) { /* after a fork the workers are the parent's */
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->quit, true);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
        for (int i = 1; i < p->threads; i++)
            if (p->workers[i].started) pthread_join(p->workers[i].thread, NULL);
        pthread_cond_destroy(&p->wake);
        pthread_mutex_destroy(&p->lock);
    }
    soma_allocator a = p->alloc;
    soma__free(&a, p->workers, (size_t)p->threads * sizeof *p->workers);
    soma__free(&a, p, sizeof *p);
}

int soma__pool_threads(const soma__pool *p) { return p ? p->threads : 1; }

void soma__pool_run(soma__pool *p, soma__piece_fn fn, void *arg, int64_t pieces, double work_ns) {
    if (!p || p->threads == 1 || pieces < 2 || work_ns < SHARE_NS || soma__forks() != p->forks) {
        for (int64_t i = 0; i < pieces; i++) fn(arg, i, 0);
        return;
    }
    if (!p->tried) start(p);
    uint64_t job = job_of(atomic_load_explicit(&p->ticket, memory_order_relaxed)) + 1;
    job &= ((uint64_t)1 << (64 - PIECE_BITS)) - 1;
    /* The old job's ticket is closed before the fields change, so that no claim can succeed until the new one is published. */
    atomic_store_explicit(&p->ticket, (job - 1) << PIECE_BITS | (((uint64_t)1 << PIECE_BITS) - 1), memory_order_seq_cst);
    p->fn = fn;
    p->arg = arg;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store_explicit(&p->pieces, pieces, memory_order_relaxed);
    atomic_store_explicit(&p->ticket, job << PIECE_BITS, memory_order_seq_cst);
    /* many small jobs in a row are worth waking for, too */
    p->missed_ns = atomic_load(&p->sleeping) ? p->missed_ns + work_ns : 0;
    if (p->missed_ns >= WAKE_NS) {
        p->missed_ns = 0;
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    work(p, job, 0);
    for (unsigned i = 1; atomic_load_explicit(&p->done, memory_order_acquire) < pieces; i++) {
        pause_cpu();
        if (i % 4096 == 0) sched_yield();
    }
}
