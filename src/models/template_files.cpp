#include "models/template_files.h"

#include "models/config.h"

namespace ocelli::models {

base::Result<text::TemplateFiles> read_template_files(const formats::ModelFolder& folder) {
  constexpr size_t kMaxTemplateFile = size_t{1} << 20;
  text::TemplateFiles files;
  OCELLI_ASSIGN(files.jinja, folder.text("chat_template.jinja", kMaxTemplateFile));
  OCELLI_ASSIGN(files.json, folder.text("chat_template.json", kMaxTemplateFile));
  OCELLI_ASSIGN(files.processor_config, folder.text("processor_config.json", kMaxConfigBytes));
  OCELLI_ASSIGN(files.tokenizer_config, folder.text("tokenizer_config.json", kMaxConfigBytes));
  return files;
}

}  // namespace ocelli::models
