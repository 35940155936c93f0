#pragma once

#include "formats/model_folder.h"
#include "text/chat_template.h"

namespace ocelli::models {

// The files of a model folder that may hold its chat template, for text::choose_template. Those
// that are not there are empty; one above its limit is an error.
base::Result<text::TemplateFiles> read_template_files(const formats::ModelFolder& folder);

}  // namespace ocelli::models
