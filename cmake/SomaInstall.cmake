# Headers, libraries, a pkg-config file and a CMake package. All are relocatable: prefixes are found from where the files lie.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/soma)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
    set(SOMA_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(SOMA_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
else()
    file(RELATIVE_PATH up /${pc_dir} /)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(SOMA_PC_PREFIX "\${pcfiledir}/${up}")
    set(SOMA_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
configure_file(cmake/soma.pc.in soma.pc @ONLY)
configure_package_config_file(cmake/somaConfig.cmake.in somaConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(somaConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS soma_shared soma_static EXPORT soma LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT soma NAMESPACE soma:: FILE somaTargets.cmake DESTINATION ${package_dir})
install(DIRECTORY include/soma DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/soma.pc DESTINATION ${pc_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/somaConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/somaConfigVersion.cmake DESTINATION ${package_dir})
