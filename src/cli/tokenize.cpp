// ocelli tokenize: text to ids and back.
#include <CLI/CLI.hpp>

#include "base/file.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "formats/gguf_model.h"
#include "text/tokenizer.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Json;
using base::Result;

struct TokenizeFlags {
  std::string model, file;
  std::vector<std::string> words;
  std::vector<int64_t> decode;
  bool json = false, ids = false, no_special = false;
};

Result<text::Tokenizer> load_tokenizer(const std::string& path) {
  // A tokenizer needs no vision tower, whichever lie beside the model.
  const std::string_view projector = formats::is_gguf_name(path) ? formats::kNoProjector : "";
  OCELLI_ASSIGN(const formats::ModelFolder folder, open_model(path, std::string(projector)));
  OCELLI_ASSIGN(const std::optional<std::string> json,
                folder.text("tokenizer.json", text::kMaxTokenizerBytes));
  if (!json) return base::fail(Code::kBadInput, "tokenizer.json is missing", folder.name());
  return text::Tokenizer::parse(*json);
}

Result<int> decode(const text::Tokenizer& tokenizer, const TokenizeFlags& flags) {
  std::vector<int32_t> ids;
  for (const int64_t id : flags.decode) {
    if (id < 0 || id >= tokenizer.id_limit()) {
      return base::fail(Code::kUsage,
                        "no such token (" + std::to_string(id) + ", limit " +
                            std::to_string(tokenizer.id_limit() - 1) + ")",
                        "--decode");
    }
    ids.push_back(int32_t(id));
  }
  OCELLI_ASSIGN(const std::string text, tokenizer.decode(ids));
  OCELLI_TRY(print(text + "\n"));
  return 0;
}

Result<int> tokenize(TokenizeFlags& flags) {
  std::vector<std::string> words = flags.words;
  std::string model = flags.model;
  if (model.empty() && words.size() > 1 && is_model(words[0])) {
    model = words[0];
    words.erase(words.begin());
  }
  OCELLI_ASSIGN(const std::string path, resolve_model(model));
  OCELLI_ASSIGN(const text::Tokenizer tokenizer, load_tokenizer(path));
  if (!flags.decode.empty()) return decode(tokenizer, flags);
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  if (!flags.file.empty()) {
    OCELLI_ASSIGN(text, base::read_file(flags.file, text::kMaxTextBytes));
  }
  OCELLI_ASSIGN(const std::vector<int32_t> ids,
                tokenizer.encode(text, {.parse_special = !flags.no_special}));
  std::string out;
  Json list = Json::array();
  for (const int32_t id : ids) {
    const std::string bytes(tokenizer.bytes_of(id));
    if (flags.json)
      list.push_back(Json::object({{"id", id}, {"text", base::replace_invalid_utf8(bytes)}}));
    if (flags.ids) {
      out += std::to_string(id) + " ";
    } else {
      out += std::to_string(id) + "\t" + base::printable(bytes) + "\n";
    }
  }
  if (flags.ids && !out.empty()) out.back() = '\n';
  OCELLI_TRY(print(flags.json ? list.dump() + "\n" : out));
  return 0;
}

}  // namespace

Run make_tokenize(CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  app.description(
      "Token ids of a text, one a line.\n\n  ocelli tokenize -m ./SmolVLM2-256M-Video-Instruct "
      "\"Hello world\"");
  app.add_option("words", flags->words, "[MODEL] TEXT");
  app.add_option("-m,--model", flags->model,
                 "a name in the store or a folder (default: the built-in model)")
      ->type_name("MODEL");
  app.add_option("-f,--file", flags->file, "read the text from this file")->type_name("FILE");
  app.add_option("--decode", flags->decode, "ids to turn into text: 1,2,3")
      ->type_name("IDS")
      ->delimiter(',');
  app.add_flag("--ids", flags->ids, "the ids alone, on one line");
  app.add_flag("--json", flags->json, "as one JSON list");
  app.add_flag("--no-special", flags->no_special, "control tokens in the text stay text");
  return [flags](Session&) { return tokenize(*flags); };
}

}  // namespace ocelli::cli
