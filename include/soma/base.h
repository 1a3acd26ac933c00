/* Status codes, dtypes and the allocator: the words that every other header uses. */
#ifndef SOMA_BASE_H
#define SOMA_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Marks a function of the ABI: visible in the shared library, with C linkage. */
#ifdef __cplusplus
#define SOMA_API extern "C" __attribute__((visibility("default")))
#else
#define SOMA_API __attribute__((visibility("default")))
#endif

/* Declares a call that takes an option struct. The ABI is name_v, which is told the struct's size; `name` is sugar that passes it, and
 * NULL for the options means all defaults. C++ may also pass the struct by reference, or leave it out. An option struct newer than the
 * library (nonzero bytes beyond what it knows) is SOMA_ERROR_VERSION. */
#define SOMA__LIST(...) __VA_ARGS__
#ifdef __cplusplus
#define SOMA_WITH_OPTS(result, name, params, args, opts) \
    SOMA_API result name##_v(SOMA__LIST params, const opts *options, size_t size); \
    static inline result name(SOMA__LIST params, const opts *options) { return name##_v(SOMA__LIST args, options, sizeof(opts)); } \
    static inline result name(SOMA__LIST params, const opts &options) { return name##_v(SOMA__LIST args, &options, sizeof(opts)); } \
    static inline result name(SOMA__LIST params) { return name##_v(SOMA__LIST args, nullptr, sizeof(opts)); }
#else
#define SOMA_WITH_OPTS(result, name, params, args, opts) \
    SOMA_API result name##_v(SOMA__LIST params, const opts *options, size_t size); \
    static inline result name(SOMA__LIST params, const opts *options) { return name##_v(SOMA__LIST args, options, sizeof(opts)); }
#endif

#ifdef __cplusplus
/* For the macros that stand for an array and its count: an array that lives until the end of the full expression, in standard C++11. */
template <class T, size_t N> struct soma__array {
    T v[N];
    const T *at() const { return v; }
};
template <class T, class... A> soma__array<T, sizeof...(A)> soma__array_of(A... a) { return {{static_cast<T>(a)...}}; }
template <class... A> char (&soma__counted(A...))[sizeof...(A)]; /* only its size is asked for */
#endif

/* Dimensions a tensor may have at most. */
#define SOMA_MAX_DIMS 8

/* What a call that cannot return a value returns: 0 or a negative code; soma_status_name gives its name. */
typedef enum soma_status {
    SOMA_OK = 0,
    SOMA_ERROR_ARGUMENT = -1,    /* a value that makes no sense on its own */
    SOMA_ERROR_SHAPE = -2,       /* shapes that do not fit together */
    SOMA_ERROR_DTYPE = -3,       /* dtypes that do not fit */
    SOMA_ERROR_MEMORY = -4,      /* an allocation failed */
    SOMA_ERROR_STATE = -5,       /* right call, wrong moment (closed scope, consumed value, pending error) */
    SOMA_ERROR_RANGE = -6,       /* an index or class outside its range */
    SOMA_ERROR_IO = -7,          /* the system refused a file operation */
    SOMA_ERROR_FORMAT = -8,      /* a file that is not what it should be */
    SOMA_ERROR_NONFINITE = -9,   /* a guarded value is NaN or infinite */
    SOMA_ERROR_CANCELLED = -10,  /* the cancel flag was seen */
    SOMA_ERROR_VERSION = -11,    /* an option struct newer than the library */
    SOMA_ERROR_UNSUPPORTED = -12 /* left out of this build, or not there yet */
} soma_status;

/* The library's version, as "0.1.0". */
SOMA_API const char *soma_version(void);

/* The code's name, as "SOMA_ERROR_SHAPE"; "unknown status" for a number that is none. Never NULL. */
SOMA_API const char *soma_status_name(soma_status status);

/* Element types, torch's float32, float64, int64, int32, uint8, bool. A bool is one byte, 0 or 1. */
typedef enum soma_dtype { SOMA_F32 = 0, SOMA_F64 = 1, SOMA_I64 = 2, SOMA_I32 = 3, SOMA_U8 = 4, SOMA_BOOL = 5 } soma_dtype;
#define SOMA_DTYPES 6

/* Bytes of one element; 0 for a number that is no dtype. */
SOMA_API size_t soma_dtype_size(soma_dtype dtype);
/* "float32", "int64", ...; "unknown dtype" for a number that is none. */
SOMA_API const char *soma_dtype_name(soma_dtype dtype);

/* Where memory comes from. alloc returns `size` bytes aligned to `align` (a power of two) or NULL; free gets what alloc
 * returned with the same size. Both may be called from several threads at once: the
 * one that uses the context, the loader's, and those that decode pictures. */
typedef struct soma_allocator {
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*free)(void *user, void *memory, size_t size);
    void *user;
} soma_allocator;

/* An optional number in an option struct: absent when zero-initialised, present as SOMA_SET(value). */
typedef struct soma_optional {
    double value;
    uint64_t set;
} soma_optional;
#ifdef __cplusplus
#define SOMA_SET(v) (soma_optional{(v), 1})
#else
#define SOMA_SET(v) ((soma_optional){(v), 1})
#endif

#endif
