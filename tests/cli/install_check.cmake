# Installs into a temporary folder, builds the examples against what is there, and runs one.
#
#   cmake -D BUILD=... -D SOURCE=... -P tests/cli/install_check.cmake
set(work ${BUILD}/install_check)
file(REMOVE_RECURSE ${work})
function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
# Away from the build tree: what was installed must not point back to it.
step(${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${work}/build -DCMAKE_BUILD_TYPE=Release
     -DCMAKE_PREFIX_PATH=${work}/prefix -DCMAKE_CXX_FLAGS=${FLAGS})
step(${CMAKE_COMMAND} --build ${work}/build)
step(${work}/build/ask ${SOURCE}/tests/fixtures/media/444.jpg "What shape do you see?")
if(NOT output MATCHES "[a-z]")
  message(FATAL_ERROR "the example said nothing")
endif()
message("ask: ${output}")
step(${work}/prefix/bin/ocelli run -q ${SOURCE}/tests/fixtures/media/444.jpg "What shape do you see?")
message("ocelli run: ${output}")
foreach(file ${work}/prefix/lib/cmake/ocelli/ocelliTargets.cmake)
  file(READ ${file} text)
  if(text MATCHES "${BUILD}/src" OR text MATCHES "${SOURCE}/src")
    message(FATAL_ERROR "${file} points into the build tree")
  endif()
endforeach()
file(REMOVE_RECURSE ${work})
