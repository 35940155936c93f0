#include "engine/model_drafter.h"

#include <algorithm>

namespace ocelli::engine {

using base::Result;

namespace {

bool same_tokens(const text::Tokenizer& a, const text::Tokenizer& b) {
  if (a.id_limit() != b.id_limit()) return false;
  for (int32_t id = 0; id < a.id_limit(); ++id) {
    if (a.token(id) != b.token(id)) return false;
  }
  return true;
}

}  // namespace

Result<ModelDrafter> ModelDrafter::create(Engine& draft, const Engine& target) {
  if (!same_tokens(draft.tokenizer(), target.tokenizer())) {
    return base::fail(
        base::Code::kUsage,
        "has another tokenizer than " + target.name() + "; take a smaller model of the same family",
        draft.name());
  }
  OCELLI_ASSIGN(Session session, Session::create(draft));
  return ModelDrafter(draft, std::move(session), int32_t(target.info().vocab));
}

Result<std::vector<int32_t>> ModelDrafter::guess(std::span<const int32_t> answer, int64_t most,
                                                 uint64_t position,
                                                 const GenerateOptions& options) {
  Prompt text = prompt_;
  text.ids.insert(text.ids.end(), answer.begin(), answer.end());
  text.image_rows.resize(text.ids.size(), -1);
  const int64_t room = draft_->context() - int64_t(text.ids.size());
  most = std::min(most, room - 1);
  if (most <= 0) return std::vector<int32_t>();
  GenerateOptions own;
  own.sampling = options.sampling;
  own.sampling.logprobs = false;
  own.sampling.top_logprobs = 0;
  own.max_tokens = most;
  own.ignore_eos = true;  // the large model says where the answer ends
  own.drafted = 0;
  own.cancel = options.cancel;
  own.first_position = position;
  OCELLI_ASSIGN(const Generated out, session_.generate(text, own));
  std::vector<int32_t> ids = out.ids;
  const auto foreign = [&](int32_t id) { return id >= id_limit_; };
  ids.erase(std::find_if(ids.begin(), ids.end(), foreign), ids.end());
  return ids;
}

}  // namespace ocelli::engine
