# tenon_add_plugin(NAME SOURCES ... [OUTPUT_DIR DIR]): builds NAME.so and puts it with its manifest NAME.ini (from the current
# source directory) into one directory: DIR, or TENON_PLUGIN_DIR, or the current binary directory. With TENON_PLUGIN_INSTALL_DIR
# set, both are installed there. This file is installed too: plugins out of tree use the same function (find_package(tenon)).
#
# A plugin is linked without C start files: it then has no .data, .bss or constructors but its own, and it must have none
# (docs/plugins.md). Undefined symbols are refused at link time, except where a sanitizer's runtime will provide them.
function(tenon_add_plugin name)
    cmake_parse_arguments(arg "" "OUTPUT_DIR" "SOURCES" ${ARGN})
    if(NOT arg_OUTPUT_DIR)
        set(arg_OUTPUT_DIR ${TENON_PLUGIN_DIR})
    endif()
    if(NOT arg_OUTPUT_DIR)
        set(arg_OUTPUT_DIR ${CMAKE_CURRENT_BINARY_DIR})
    endif()
    add_library(plugin_${name} MODULE ${arg_SOURCES})
    set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT_DIR})
    if(TARGET tenon_headers)
        target_link_libraries(plugin_${name} PRIVATE tenon_headers tenon_flags tenon_fast)
    else()
        target_link_libraries(plugin_${name} PRIVATE tenon::headers)
    endif()
    target_link_options(plugin_${name} PRIVATE -nostartfiles -Wl,-z,now -Wl,-z,relro -Wl,--build-id=sha1)
    if(NOT TENON_SANITIZE)
        target_link_options(plugin_${name} PRIVATE -Wl,-z,defs)
    endif()
    set(manifest ${CMAKE_CURRENT_SOURCE_DIR}/${name}.ini)
    add_custom_command(TARGET plugin_${name} POST_BUILD
        COMMAND ${CMAKE_COMMAND} -E copy_if_different ${manifest} ${arg_OUTPUT_DIR}/${name}.ini)
    set_property(TARGET plugin_${name} APPEND PROPERTY LINK_DEPENDS ${manifest})
    if(TENON_PLUGIN_INSTALL_DIR)
        install(TARGETS plugin_${name} LIBRARY DESTINATION ${TENON_PLUGIN_INSTALL_DIR} COMPONENT tenon)
        install(FILES ${manifest} DESTINATION ${TENON_PLUGIN_INSTALL_DIR} COMPONENT tenon)
    endif()
endfunction()
