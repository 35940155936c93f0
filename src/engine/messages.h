// Messages in the form that chat templates take.
#pragma once

#include <string_view>

#include "base/json.h"

namespace ocelli::engine {

// {"role": role, "content": [{"type": "text", "text": text}]}
base::Json text_message(std::string_view role, std::string_view text);
// Pictures first, then the question: the order that the models were trained with.
base::Json user_message(std::string_view question, size_t pictures);

}  // namespace ocelli::engine
