/* The multiply-add peak: what the machine does when nothing but arithmetic is in the way. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

/* The best float32 GFLOP/s of `threads` threads together, seen in short blocks over about `seconds`. isa is the name that
 * soma_context_isa gives; 0 for one that this build or machine does not have. */
double bench_peak(const char *isa, int threads, double seconds);

#endif
