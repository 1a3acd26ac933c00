# Kernels are written once, against simd.h, and compiled once per instruction set; the dispatcher picks at run time. The portable set has
# no instructions beyond the baseline.

set(SOMA_ISAS PORTABLE)
# GCC 12's vectoriser of straight code (SLP) miscompiles the emulated multiply-add of simd.h; tests/backend/test_math_f32.c shows it.
set(SOMA_ISA_FLAGS_PORTABLE -fno-tree-slp-vectorize $<$<CONFIG:Release>:-Os>) # the fallback of old processors: for size
if(SOMA_ARCH STREQUAL "x86_64")
    list(APPEND SOMA_ISAS AVX2 AVX512)
    set(SOMA_ISA_FLAGS_AVX2 -mavx2 -mfma)
    set(SOMA_ISA_FLAGS_AVX512 -mavx512f -mavx512vl -mavx512bw -mavx512dq -mavx2 -mfma)
elseif(SOMA_ARCH STREQUAL "arm64")
    list(APPEND SOMA_ISAS NEON)
    set(SOMA_ISA_FLAGS_NEON "")
endif()

# Appends the objects of kernel sources, compiled for every instruction set, to the list named `out`.
function(soma_kernels name out)
    set(kernels ${ARGN})
    set(objects ${${out}})
    if(kernels)
        foreach(isa IN LISTS SOMA_ISAS)
            string(TOLOWER ${isa} lower)
            soma_objects(${name}_${lower} ON ${kernels})
            target_compile_definitions(${name}_${lower} PRIVATE SOMA_ISA_${isa}=1)
            target_compile_options(${name}_${lower} PRIVATE ${SOMA_ISA_FLAGS_${isa}})
            list(APPEND objects $<TARGET_OBJECTS:${name}_${lower}>)
        endforeach()
    endif()
    set(${out} ${objects} PARENT_SCOPE)
endfunction()
