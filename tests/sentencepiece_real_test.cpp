// Vocabularies of real models and the ids that llama.cpp publishes for them, where the folder of
// models is present.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "formats/gguf.h"
#include "sentencepiece_support.h"

namespace ocelli {
namespace {

constexpr int kChecks = 2 * 46;

std::string goldens() {
  const char* set = std::getenv("OCELLI_SHARED");
  const std::string root = set != nullptr ? set : std::string(OCELLI_SOURCE_DIR) + "/../shared";
  return root + "/models/_goldens/";
}

std::string read(const std::string& path) {
  auto file = base::read_file(path, size_t{1} << 26);
  EXPECT_TRUE(file.ok()) << file.error().message();
  return file.ok() ? *file : std::string();
}

// The tokens, scores and types of a GGUF file.
formats::PieceModel pieces_of(const formats::GgufMetadata& metadata) {
  formats::PieceModel model;
  const auto tokens = metadata.texts("tokenizer.ggml.tokens");
  const auto scores = metadata.numbers("tokenizer.ggml.scores", formats::kMaxPieces);
  const auto types = metadata.integers("tokenizer.ggml.token_type", formats::kMaxPieces);
  EXPECT_TRUE(tokens.ok() && scores.ok() && types.ok());
  for (size_t i = 0; i < tokens->size(); ++i) {
    model.pieces.push_back({.text = std::string((*tokens)[i]),
                            .score = static_cast<float>((*scores)[i]),
                            .type = static_cast<formats::PieceType>((*types)[i])});
  }
  model.style = formats::PieceStyle::kPhi3;  // the files the ids were made with were of that kind
  model.order = formats::MergeOrder::kByScore;
  return model;
}

// Texts between lines "__ggml_vocab_test__", and one line of ids for each.
int check(const std::string& name) {
  const std::string path = goldens() + name;
  if (!std::filesystem::exists(path) || !std::filesystem::exists(path + ".inp")) return 0;
  const auto file = formats::GgufFile::open(path);
  EXPECT_TRUE(file.ok()) << file.error().message();
  const auto json = formats::tokenizer_json(pieces_of(file->metadata()));
  EXPECT_TRUE(json.ok()) << json.error().message();
  const auto tokenizer = Tokenizer::parse(*json);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const std::string texts = read(path + ".inp");
  std::istringstream lines(read(path + ".out"));
  constexpr std::string_view kEnd = "\n__ggml_vocab_test__\n";
  int done = 0;
  std::string line;
  for (size_t at = 0; at < texts.size() && std::getline(lines, line); ++done) {
    const size_t end = std::min(texts.find(kEnd, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    at = end + kEnd.size();
    std::istringstream numbers(line);
    std::vector<int32_t> want;
    for (int32_t id; numbers >> id;) want.push_back(id);
    EXPECT_EQ(*tokenizer->encode(text), want) << name << ": " << base::printable(text);
    EXPECT_EQ(*tokenizer->decode(want), text) << name;
  }
  return done;
}

TEST(RealSentencePiece, GivesTheKnownIds) {
  int done = 0;
  for (const char* name : {"ggml-vocab-llama-spm.gguf", "ggml-vocab-phi-3.gguf"})
    done += check(name);
  if (done == 0) GTEST_SKIP() << kChecks << " checks skipped: no folder of models";
  std::cout << done << " texts checked, " << std::max(0, kChecks - done) << " checks skipped\n";
}

}  // namespace
}  // namespace ocelli
