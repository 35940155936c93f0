// Real tokenizers and their known ids, where the folder of models is present.
#include <iostream>
#include <sstream>
#include <thread>

#include "text/tokenizer_test_support.h"

namespace ocelli::text {
namespace {

struct Golden {
  const char* model;
  const char* file;  // in _goldens
};
// Texts and ids made apart from Hugging Face tokenizers, so an agreement is between two programs.
constexpr Golden kGoldens[] = {
    {"SmolLM2-135M-Instruct", "smollm2.derived.json"},
    {"SmolLM2-360M-Instruct", "smollm2.derived.json"},
    {"SmolLM2-1.7B-Instruct", "smollm2.derived.json"},
    {"SmolVLM-256M-Instruct", "smolvlm2.derived.json"},
    {"SmolVLM2-256M-Video-Instruct", "smolvlm2.derived.json"},
    {"SmolVLM2-500M-Video-Instruct", "smolvlm2.derived.json"},
    {"SmolVLM2-2.2B-Instruct", "smolvlm2.derived.json"},
};
constexpr int kChecks = 3 * 53 + 4 * 50 + 46;  // texts in all when everything is there

std::string read_if_there(const std::string& path) {
  return std::filesystem::exists(path) ? read_or_fail(path) : std::string();
}

int check_golden(const std::string& models, const Golden& golden) {
  const std::string file = read_if_there(models + "/" + golden.model + "/tokenizer.json");
  const std::string known = read_if_there(models + "/_goldens/" + golden.file);
  if (file.empty() || known.empty()) return 0;
  const Tokenizer tokenizer = parse_or_die(file);
  const base::Json cases = parse_json(known);
  int done = 0;
  for (const base::Json& c : cases.find("cases")->items()) {
    const std::string& text = c.find("text")->as_string();
    const auto want = ids_of(*c.find("ids"));
    EXPECT_EQ(*tokenizer.encode(text), want) << golden.model << ": " << base::printable(text);
    EXPECT_EQ(*tokenizer.decode(want), text) << golden.model;
    ++done;
  }
  return done;
}

// Texts between lines "__ggml_vocab_test__", and one line of ids for each.
int check_llama_bpe(const std::string& models) {
  const std::string file = read_if_there(models + "/SmolLM3-3B/tokenizer.reconstructed.json");
  const std::string texts = read_if_there(models + "/_goldens/ggml-vocab-llama-bpe.gguf.inp");
  const std::string known = read_if_there(models + "/_goldens/ggml-vocab-llama-bpe.gguf.out");
  if (file.empty() || texts.empty() || known.empty()) return 0;
  const Tokenizer tokenizer = parse_or_die(file);
  constexpr std::string_view kEnd = "\n__ggml_vocab_test__\n";
  std::istringstream lines(known);
  std::string line;
  int done = 0;
  for (size_t at = 0; at < texts.size();) {
    const size_t end = std::min(texts.find(kEnd, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    at = end + kEnd.size();
    if (!std::getline(lines, line)) break;
    std::istringstream numbers(line);
    std::vector<int32_t> want;
    for (int32_t id; numbers >> id;) want.push_back(id);
    EXPECT_EQ(*tokenizer.encode(text), want) << base::printable(text);
    ++done;
  }
  return done;
}

TEST(RealTokenizers, GiveTheKnownIds) {
  const std::string models = shared_models();
  if (models.empty()) GTEST_SKIP() << kChecks << " checks skipped: no folder of models";
  int done = check_llama_bpe(models);
  for (const Golden& golden : kGoldens) done += check_golden(models, golden);
  std::cout << done << " texts checked, " << std::max(0, kChecks - done) << " checks skipped\n";
  EXPECT_GT(done, 0);
}

TEST(RealTokenizers, LeaveSpecialTokensOfTheUserAsText) {
  const std::string models = shared_models();
  const std::string file =
      models.empty() ? "" : read_if_there(models + "/SmolVLM-256M-Instruct/tokenizer.json");
  if (file.empty()) GTEST_SKIP() << "4 checks skipped: no folder of models";
  const Tokenizer tokenizer = parse_or_die(file, {.max_rows = 49280});
  EXPECT_EQ(*tokenizer.encode("<image>"), (std::vector<int32_t>{49190}));
  const auto ids =
      tokenizer.encode("<image><end_of_utterance><|im_end|>", {.parse_special = false});
  ASSERT_TRUE(ids.ok());
  for (const int32_t id : *ids) EXPECT_FALSE(tokenizer.is_special(id));
  EXPECT_EQ(*tokenizer.decode(*ids), "<image><end_of_utterance><|im_end|>");
  EXPECT_FALSE(Tokenizer::parse(file, {.max_rows = 49152}).ok());
}

// Not about real tokenizers, but about real use: one tokenizer, many threads.
TEST(Tokenizer, ServesManyThreadsAtOnce) {
  const Tokenizer tokenizer = fixture_tokenizer("smol");
  const auto texts = fixture_texts();
  std::vector<std::vector<int32_t>> want;
  for (size_t i = 0; i < 400; ++i) want.push_back(*tokenizer.encode(texts[i]));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < want.size(); ++i) wrong[t] += *tokenizer.encode(texts[i]) != want[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace ocelli::text
