# Runs a program that prints lines "name digest" and compares them with a committed file.
# It ends with 77 where the machine lacks the instruction set.
# COMMAND: the program, behind its emulator if it needs one. EXPECTED: the file. ISA: the instruction set that the run is capped to.
# With SOMA_BITS_UPDATE=1 in the environment the file is written instead.

set(ENV{SOMA_ISA} ${ISA})
execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE got RESULT_VARIABLE result)
if(result EQUAL 77)
    message("skipped: this machine has no ${ISA}")
    return()
endif()
if(NOT result EQUAL 0)
    message(FATAL_ERROR "the program failed (${result}):\n${got}")
endif()
if("$ENV{SOMA_BITS_UPDATE}" STREQUAL "1")
    file(WRITE ${EXPECTED} "${got}")
    message("wrote ${EXPECTED}")
    return()
endif()
message("ran on ${ISA}")
if(NOT EXISTS ${EXPECTED})
    message(FATAL_ERROR "no ${EXPECTED}; SOMA_BITS_UPDATE=1 writes it. The program printed:\n${got}")
endif()
file(READ ${EXPECTED} want)
if(NOT got STREQUAL want)
    file(WRITE ${OUTPUT} "${got}")
    execute_process(COMMAND diff -u ${EXPECTED} ${OUTPUT})
    message(FATAL_ERROR "other bits than the committed ones (SOMA_ISA=${ISA})")
endif()
