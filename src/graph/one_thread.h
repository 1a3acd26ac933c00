/* Debug builds notice that two threads use one context at the same time: a call that takes long, or changes much, says who is inside. */
#ifndef SOMA_SRC_GRAPH_ONE_THREAD_H
#define SOMA_SRC_GRAPH_ONE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#ifdef SOMA_DEBUG
#include <stdatomic.h>

/* The address of something of the thread's own, 0 for nobody. */
typedef struct soma__user {
    _Atomic uintptr_t thread;
} soma__user;

uintptr_t soma__this_thread(void);
static inline bool soma__alone(const soma__user *u) {
    uintptr_t inside = atomic_load_explicit(&((soma__user *)(uintptr_t)u)->thread, memory_order_relaxed);
    return !inside || inside == soma__this_thread();
}
/* Returns who was inside, for soma__leave: calls nest. */
static inline uintptr_t soma__enter(soma__user *u) { return atomic_exchange(&u->thread, soma__this_thread()); }
static inline void soma__leave(soma__user *u, uintptr_t before) { atomic_store(&u->thread, before); }

#else
typedef struct soma__user {
    char none;
} soma__user;
static inline bool soma__alone(const soma__user *u) { return (void)u, true; }
static inline uintptr_t soma__enter(soma__user *u) { return (void)u, 0; }
static inline void soma__leave(soma__user *u, uintptr_t before) { (void)u, (void)before; }
#endif

#endif
