#include "hub/listing.h"

#include "base/json.h"
#include "hub/content_hash.h"
#include "hub/names.h"

namespace ocelli::hub {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

// What the server says wrongly is the network's fault, not that of a file of the user.
base::Error wrong_answer(const std::string& what) {
  return fail(Code::kNetwork,
              "the Hub's answer is not understood: " + what + "; check HF_ENDPOINT");
}

Result<Json> parse_answer(std::string_view text) {
  Result<Json> json =
      Json::parse(text, {.max_bytes = kMaxAnswerBytes, .max_depth = 32, .max_values = 2'000'000});
  if (!json.ok()) return wrong_answer(json.error().message());
  return json;
}

Result<std::string> content_name(const Json& entry, size_t digits) {
  const Json* const oid = entry.find("oid");
  if (!oid || !oid->is_string() || oid->as_string().size() != digits ||
      !is_content_name(oid->as_string()))
    return wrong_answer("\"oid\" must be a hash of " + std::to_string(digits) + " digits");
  return oid->as_string();
}

Result<RemoteFile> parse_file(const Json& entry) {
  RemoteFile file;
  Result<std::string> path = entry.get_string("path");
  if (!path.ok()) return wrong_answer(path.error().message());
  file.path = *path;
  OCELLI_TRY(check_path(file.path));
  const Json* const lfs = entry.find("lfs");
  const bool large = lfs && !lfs->is_null();
  if (large && !lfs->is_object()) return wrong_answer("\"lfs\" must be an object");
  const Json& numbers = large ? *lfs : entry;
  const Result<int64_t> size = numbers.get_int("size", {.min = 0, .max = kMaxFileBytes});
  if (!size.ok()) return wrong_answer(base::printable(file.path, 100) + ": " + size.error().what);
  file.size = *size;
  OCELLI_ASSIGN(file.blob, content_name(numbers, large ? 64 : 40));
  return file;
}

}  // namespace

Result<std::string> parse_commit(std::string_view text) {
  OCELLI_ASSIGN(const Json json, parse_answer(text));
  const Json* const sha = json.find("sha");
  if (!sha || !sha->is_string() || !is_commit(sha->as_string()))
    return wrong_answer("\"sha\" must be a commit of 40 digits");
  return sha->as_string();
}

Status parse_tree_page(std::string_view text, std::vector<RemoteFile>& files) {
  OCELLI_ASSIGN(const Json json, parse_answer(text));
  if (!json.is_array()) return wrong_answer("a list of files must be an array");
  for (const Json& entry : json.items()) {
    const Json* const type = entry.find("type");
    if (!type || !type->is_string()) return wrong_answer("an entry has no \"type\"");
    if (type->as_string() != "file") continue;
    if (files.size() == kMaxFiles) {
      return fail(Code::kDoesNotFit,
                  "the repository has too many files (limit " + std::to_string(kMaxFiles) + ")");
    }
    OCELLI_ASSIGN(RemoteFile file, parse_file(entry));
    files.push_back(std::move(file));
  }
  return {};
}

}  // namespace ocelli::hub
