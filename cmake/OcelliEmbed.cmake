# Puts the files of a folder into the program as read-only data.
#
#   ocelli_embed(target folder name)
#
# adds to `target` an object with the bytes and a source that defines
# `std::span<const formats::EmbeddedFile> ocelli::engine::embedded_<name>()`.
function(ocelli_embed target folder name)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.json ${folder}/*.jinja ${folder}/*.safetensors)
  set(assembly "    .section .rodata\n")
  set(declarations "")
  set(table "")
  set(index 0)
  foreach(file ${files})
    get_filename_component(base ${file} NAME)
    set(symbol "ocelli_embedded_${name}_${index}")
    string(APPEND assembly
      "    .global ${symbol}\n    .global ${symbol}_end\n    .balign 64\n${symbol}:\n    .incbin \"${file}\"\n${symbol}_end:\n")
    string(APPEND declarations "extern const std::byte ${symbol}[], ${symbol}_end[];\n")
    string(APPEND table "      {\"${base}\", {${symbol}, size_t(${symbol}_end - ${symbol})}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly "    .section .note.GNU-stack,\"\",@progbits\n")
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name})
  file(CONFIGURE OUTPUT ${out}.s CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT ${out}.cpp CONTENT
"// Made by cmake/OcelliEmbed.cmake.
#include <cstddef>

#include \"formats/model_folder.h\"

extern \"C\" {
${declarations}}

namespace ocelli::engine {
std::span<const formats::EmbeddedFile> embedded_${name}() {
  static const formats::EmbeddedFile files[] = {
${table}  };
  return files;
}
}  // namespace ocelli::engine
" @ONLY)
  set_source_files_properties(${out}.s PROPERTIES LANGUAGE ASM OBJECT_DEPENDS "${files}")
  target_sources(${target} PRIVATE ${out}.s ${out}.cpp)
endfunction()
