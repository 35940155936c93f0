# A room is a folder, a target and a namespace. This function is the only place that knows the form.
#
#   ocelli_room(text USES base PRIVATE PCRE2::8)
#
# builds libocelli_text from src/text/*.cpp, and ocelli_text_test from src/text/*_test.cpp.
# USES names lower rooms (their headers become visible); PRIVATE names outside libraries.
function(ocelli_room room)
  cmake_parse_arguments(ARG "" "" "USES;PRIVATE;TEST" ${ARGN})
  string(REPLACE "/" "_" name ${room})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  set(target ocelli_${name})
  set(uses "")
  foreach(lower ${ARG_USES})
    string(REPLACE "/" "_" lower ${lower})
    list(APPEND uses ocelli_${lower})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                                                $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(${target} PUBLIC ${uses} PRIVATE ${ARG_PRIVATE} ocelli_warnings)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
                                                   $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(${target} INTERFACE ${uses})
  endif()
  set_property(GLOBAL APPEND PROPERTY OCELLI_ROOMS ${target})
  if(tests AND OCELLI_TESTS)
    add_executable(${target}_test ${tests})
    target_link_libraries(${target}_test PRIVATE ${target} ${ARG_PRIVATE} ${ARG_TEST} ocelli_warnings ocelli_test_flags
                                                 GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(${target}_test PRIVATE
      OCELLI_SOURCE_DIR="${PROJECT_SOURCE_DIR}" OCELLI_FIXTURES="${PROJECT_SOURCE_DIR}/tests/fixtures")
    add_test(NAME ${name} COMMAND ${target}_test)
  endif()
endfunction()

# What src/base/shared_library.h is to open for libraries that are not linked: the name with the
# version of the binary interface ("libcurl.so.4") of the first library that pkg-config gave PREFIX.
function(ocelli_library_file out prefix)
  list(GET ${prefix}_LINK_LIBRARIES 0 path)
  file(REAL_PATH ${path} path)
  get_filename_component(name ${path} NAME)
  if(NOT name MATCHES "^(lib[^.]+\\.so\\.[0-9]+)")
    message(FATAL_ERROR "${path} is no shared library of a version (libNAME.so.N)")
  endif()
  set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()
