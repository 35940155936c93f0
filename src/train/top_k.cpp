#include "train/top_k.h"

#include <algorithm>
#include <cmath>

namespace ocelli::train {

using base::Code;
using base::Result;
using base::Status;

namespace {

std::string quoted(std::string_view text) {
  return "\"" + base::printable(text, 40) + "\"";
}

}  // namespace

std::vector<int32_t> trained_ids(const Sample& sample) {
  std::vector<int32_t> out;
  for (const int32_t id : next_tokens(sample)) {
    if (id >= 0) out.push_back(id);
  }
  return out;
}

Result<size_t> find_shared(std::span<const int32_t> teacher, std::span<const int32_t> student,
                           bool at_end, const text::Tokenizer& tokenizer) {
  const size_t shared = std::min(teacher.size(), student.size());
  const auto theirs = at_end ? teacher.last(shared) : teacher.first(shared);
  const auto ours = at_end ? student.last(shared) : student.first(shared);
  for (size_t i = 0; i < shared; ++i) {
    if (theirs[i] == ours[i]) continue;
    return base::fail(Code::kBadInput, "trained token " + std::to_string(i + 1) + " is " +
                                           quoted(tokenizer.token(theirs[i])) +
                                           " for the teacher and " +
                                           quoted(tokenizer.token(ours[i])) +
                                           " for the student; both must learn the same text, so "
                                           "use the same --mask and models with one chat template");
  }
  if (student.size() > teacher.size()) {
    return base::fail(Code::kBadInput, "the teacher has fewer trained tokens (" +
                                           std::to_string(teacher.size()) + ", the student " +
                                           std::to_string(student.size()) +
                                           "); let it read more with a larger --max_length");
  }
  return at_end ? teacher.size() - shared : 0;
}

base::Digest256 vocabulary_hash(const text::Tokenizer& tokenizer) {
  base::Sha256 hash;
  for (int32_t id = 0; id < tokenizer.id_limit(); ++id) {
    const std::string_view token = tokenizer.token(id);
    hash.update_u64(token.size());
    hash.update(token);
  }
  return hash.finish();
}

Status check_same_vocabulary(const text::Tokenizer& teacher, const text::Tokenizer& student) {
  const int32_t limit = std::max(teacher.id_limit(), student.id_limit());
  for (int32_t id = 0; id < limit; ++id) {
    const std::string_view theirs = teacher.token(id), ours = student.token(id);
    if (theirs == ours) continue;
    const auto said = [](std::string_view token) {
      return token.empty() ? std::string("no token") : quoted(token);
    };
    return base::fail(Code::kUsage,
                      "the teacher has another vocabulary: id " + std::to_string(id) + " is " +
                          said(theirs) + " there and " + said(ours) +
                          " in the student; choose a teacher with the student's tokenizer",
                      "teacher_model_name_or_path");
  }
  return {};
}

bool choose_top_k(const TopKRow& row, std::span<int32_t> ids, std::span<float> log_probs) {
  const std::span<const float> x = row.logits;
  const auto before = [&](int32_t a, int32_t b) {
    const float u = x[size_t(a)], v = x[size_t(b)];
    return u > v || (u == v && a < b);
  };
  // A heap with the least likely of the chosen on top. Later ones of equals do not come in.
  const size_t k = ids.size();
  for (size_t i = 0; i < k; ++i) ids[i] = int32_t(i);
  std::make_heap(ids.begin(), ids.end(), before);
  for (int64_t i = int64_t(k); i < row.count; ++i) {
    if (!(x[size_t(i)] > x[size_t(ids.front())])) continue;
    std::pop_heap(ids.begin(), ids.end(), before);
    ids.back() = int32_t(i);
    std::push_heap(ids.begin(), ids.end(), before);
  }
  std::sort(ids.begin(), ids.end(), before);
  const double inverse = 1 / row.temperature;
  const double most = inverse * double(*std::max_element(x.begin(), x.end()));
  double sum = 0;
  for (const float logit : x) sum += std::exp(inverse * double(logit) - most);
  const double whole = most + std::log(sum);
  if (!std::isfinite(whole)) return false;
  for (size_t i = 0; i < k; ++i) {
    log_probs[i] = float(inverse * double(x[size_t(ids[i])]) - whole);
  }
  return true;
}

}  // namespace ocelli::train
