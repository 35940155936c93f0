# The library as others use it: one archive libocelli.a of all rooms below cli, the public headers and
# a package, so that
#
#   find_package(ocelli REQUIRED)
#   target_link_libraries(mine PRIVATE ocelli::ocelli)
#
# works from an installed tree, and the same target from add_subdirectory().
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(objects "")
get_property(rooms GLOBAL PROPERTY OCELLI_ROOMS)
foreach(room ${rooms})
  get_target_property(type ${room} TYPE)
  # The program's own rooms: the library downloads nothing and needs no libcurl.
  if(type STREQUAL "STATIC_LIBRARY" AND NOT room MATCHES "^ocelli_(cli|hub)$")
    list(APPEND objects $<TARGET_OBJECTS:${room}>)
  endif()
endforeach()
add_library(ocelli_library STATIC ${objects})
add_library(ocelli::ocelli ALIAS ocelli_library)
set_target_properties(ocelli_library PROPERTIES OUTPUT_NAME ocelli EXPORT_NAME ocelli LINKER_LANGUAGE CXX)
target_compile_features(ocelli_library INTERFACE cxx_std_20)
# The public header includes a few of base, by the name "base/...".
target_include_directories(ocelli_library INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/ocelli>)

# Found as in ocelliConfig.cmake.in; keep the two alike.
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(GIF REQUIRED)
find_package(TIFF REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(OCELLI_NEEDS REQUIRED IMPORTED_TARGET libwebp libwebpdemux libseccomp libpcre2-8 libutf8proc)
target_link_libraries(ocelli_library INTERFACE Threads::Threads OpenSSL::Crypto JPEG::JPEG PNG::PNG GIF::GIF TIFF::TIFF
                                               PkgConfig::OCELLI_NEEDS ${CMAKE_DL_LIBS})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ocelli)
install(TARGETS ocelli_library EXPORT ocelliTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT ocelliTargets NAMESPACE ocelli:: DESTINATION ${package})
install(FILES include/ocelli/ocelli.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ocelli)
foreach(header cancel check error result)
  install(FILES src/base/${header}.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ocelli/base)
endforeach()
configure_package_config_file(cmake/ocelliConfig.cmake.in ${PROJECT_BINARY_DIR}/ocelliConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ocelliConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ocelliConfig.cmake ${PROJECT_BINARY_DIR}/ocelliConfigVersion.cmake
        DESTINATION ${package})
