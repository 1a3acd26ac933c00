# Compilers, build types and the flags that every file gets.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug, Asan or Tsan" FORCE)
endif()
set_property(CACHE CMAKE_BUILD_TYPE PROPERTY STRINGS Release Debug Asan Tsan)

find_program(SOMA_CCACHE ccache)
mark_as_advanced(SOMA_CCACHE)
if(SOMA_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${SOMA_CCACHE})
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_C_FLAGS_RELEASE "-O3")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g -DSOMA_DEBUG=1")
set(CMAKE_C_FLAGS_ASAN "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DSOMA_DEBUG=1")
set(CMAKE_C_FLAGS_TSAN "-O1 -g -fno-omit-frame-pointer -fsanitize=thread")
foreach(kind EXE SHARED)
    set(CMAKE_${kind}_LINKER_FLAGS_ASAN "-fsanitize=address,undefined")
    set(CMAKE_${kind}_LINKER_FLAGS_TSAN "-fsanitize=thread")
endforeach()
if(CMAKE_BUILD_TYPE MATCHES "^(Asan|Tsan)$" OR CMAKE_C_FLAGS MATCHES "-fsanitize")
    set(SOMA_SANITIZED TRUE)
endif()

# No contraction: a fused multiply-add is there only where the source says so, else compilers would disagree on bits. The other two let a
# compiler vectorise and inline; neither changes a value.
add_compile_options(-ffp-contract=off -fno-math-errno -fno-trapping-math -pthread)
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion
    -Werror=double-promotion -Werror=implicit-function-declaration)
if(SOMA_WERROR)
    add_compile_options(-Werror)
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(SOMA_ARCH x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(SOMA_ARCH arm64)
else()
    set(SOMA_ARCH other)
endif()
