# Read by ctest before it runs anything: tests find data through SOMA_DATA, which the caller may set.

if(NOT DEFINED ENV{SOMA_DATA})
    get_filename_component(source ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
    get_filename_component(data ${source}/../shared/data ABSOLUTE)
    set(ENV{SOMA_DATA} ${data})
endif()
