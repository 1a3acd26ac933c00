/* What the cmocka programs share. */
#ifndef SOMA_TESTS_SUPPORT_CHECK_H
#define SOMA_TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "soma/soma.h"

/* A context, or the test fails. */
soma_context *check_context(const soma_context_opts *o);
/* Fails with the context's sentence when an error is pending. */
void check_fine(soma_context *ctx);
/* An error of this status is pending, and its sentence holds the words; takes it. */
void check_error(soma_context *ctx, soma_status status, const char *words);
/* A number in [0, 1) from a counter. */
double check_random(uint64_t *state);

#endif
