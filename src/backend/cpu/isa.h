/* Instruction sets: which there are, which this machine has. */
#ifndef SOMA_SRC_BACKEND_CPU_ISA_H
#define SOMA_SRC_BACKEND_CPU_ISA_H

/* In ascending order of preference. */
typedef enum soma__isa { SOMA_ISA_ID_PORTABLE = 0, SOMA_ISA_ID_NEON = 1, SOMA_ISA_ID_AVX2 = 2, SOMA_ISA_ID_AVX512 = 3, SOMA_ISA_COUNT = 4 } soma__isa;

/* The best that processor and operating system offer. The environment is not read. */
int soma__isa_best(void);
/* The best of this machine that is not above `isa`. */
int soma__isa_cap(int isa);
const char *soma__isa_name(int isa);
/* -1 when the name is none. */
int soma__isa_from_name(const char *name);

#endif
