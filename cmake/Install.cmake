# cmake --install: the command, the library, the plugins with their manifests, and what others need to build plugins and to embed
# the stack: headers, a CMake package (find_package(tenon): tenon::tenon, tenon::headers, tenon_add_plugin()) and tenon.pc.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)

install(TARGETS tenon tenon_headers EXPORT tenon
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT tenon NAMELINK_COMPONENT tenon)
install(EXPORT tenon NAMESPACE tenon:: FILE tenon-targets.cmake DESTINATION ${package_dir} COMPONENT tenon)
install(DIRECTORY include/tenon DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT tenon FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/tenon-config.cmake.in ${CMAKE_BINARY_DIR}/tenon-config.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS TENON_PLUGIN_INSTALL_DIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tenon-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tenon-config.cmake ${CMAKE_BINARY_DIR}/tenon-config-version.cmake cmake/TenonPlugin.cmake
    DESTINATION ${package_dir} COMPONENT tenon)

# Relative to the file itself, so that it holds whatever prefix is installed to: lib/pkgconfig is two up, and one more for each
# further directory of a multiarch lib/x86_64-linux-gnu.
file(RELATIVE_PATH tenon_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" tenon_pc_up "${tenon_pc_up}")
configure_file(cmake/tenon.pc.in ${CMAKE_BINARY_DIR}/tenon.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/tenon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT tenon)

file(GLOB documents CONFIGURE_DEPENDS docs/*.md)
install(FILES ${documents} DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tenon)

file(GLOB stacks CONFIGURE_DEPENDS etc/*.yaml)
install(FILES ${stacks} DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/tenon COMPONENT tenon)
