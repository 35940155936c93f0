// Files as people have them, and as they should not be (T01).
#include "train/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/memory.h"
#include "formats/test_support.h"

namespace ocelli::train {
namespace {

using formats::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string fixture(const std::string& name) {
  return std::string(OCELLI_FIXTURES) + "/datasets/" + name;
}

std::string chat(const std::string& answer, const std::string& more = "") {
  return R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": ")" +
         answer + "\"}]" + more + "}";
}

std::string answer_of(const Row& row) {
  const auto& message = row.messages->items().back();
  return message.find("content")->items()[0].find("text")->as_string();
}

std::vector<std::string> answers(const Dataset& data) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < data.size(); ++i) out.push_back(answer_of(data.row(i).value()));
  return out;
}

class Files {
 public:
  base::Result<Dataset> open(const std::string& name, std::string_view text,
                             DatasetOptions options = {}) {
    folder.write(name, text);
    return Dataset::open({folder.path(name)}, options);
  }
  std::string error(const std::string& name, std::string_view text, DatasetOptions options = {}) {
    const auto data = open(name, text, options);
    return data.ok() ? "" : data.error().message();
  }
  TempFolder folder;
};

TEST(Dataset, EveryFormatOfTheFixtures) {
  const auto size = [](const std::string& name) {
    const auto data = Dataset::open({fixture(name)});
    EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message());
    EXPECT_EQ(data.ok() ? data->bad_rows_text() : "", "");
    return data.ok() ? data->size() : 0;
  };
  EXPECT_EQ(size("messages.jsonl"), 5);
  EXPECT_EQ(size("prompt_completion.jsonl"), 3);
  EXPECT_EQ(size("preference.jsonl"), 3);
  EXPECT_EQ(size("llava.json"), 3);
  EXPECT_EQ(size("alpaca.jsonl"), 2);
  EXPECT_EQ(size("cauldron.jsonl"), 1);
  EXPECT_EQ(size("captions.jsonl"), 2);
  EXPECT_EQ(size("tools.jsonl"), 1);
  EXPECT_EQ(size("texts.txt"), 2);
  EXPECT_EQ(size(""), 22);  // the folder: all of them
}

TEST(Dataset, LinesListsAndTexts) {
  Files f;
  const std::string three = chat("1") + "\n\n" + chat("2") + "\r\n   \n" + chat("3");
  EXPECT_THAT(answers(*f.open("a.jsonl", three)), ElementsAre("1", "2", "3"));
  EXPECT_THAT(answers(*f.open("a.jsonl", "\xEF\xBB\xBF" + three + "\n")),
              ElementsAre("1", "2", "3"));
  const auto list = f.open("a.json", " [\n" + chat("[1]") + ",\n" + chat("\\\"2]") + "\n]\n");
  EXPECT_THAT(answers(*list), ElementsAre("[1]", "\"2]"));
  EXPECT_THAT(list->where(1), HasSubstr("a.json: line 3"));
  const auto texts = f.open("a.txt", "\n\none\nmore\r\n\r\n \t\ntwo");
  ASSERT_EQ(texts->size(), 2);
  EXPECT_EQ(texts->row(0)->text, "one\nmore");
  EXPECT_EQ(texts->row(1)->text, "two");
  EXPECT_EQ(texts->row(1)->format, RowFormat::kText);
}

TEST(Dataset, BadRowsAreNamedWithLineAndReason) {
  Files f;
  f.folder.write("there.png", "x");
  std::string text;
  const auto add = [&](const std::string& line) { text += line + "\n"; };
  add(chat("1"));                                               // 1
  add("{\"messages\": ");                                       // 2
  add(chat("\xFF"));                                            // 3
  add(R"({"prompt": "no answer"})");                            // 4
  add(R"({"messages": [], "x": NaN})");                         // 5
  add(chat("2", R"(, "images": ["missing.png"])"));             // 6
  add(chat("3", R"(, "images": ["../there.png"])"));            // 7
  add(chat("4", R"(, "images": ["/etc/passwd"])"));             // 8
  add(chat("5", R"(, "images": ["a/../there.png"])"));          // 9: fine
  add(chat("6", R"(, "images": [{"bytes": "AQID"}])"));         // 10
  add("3");                                                     // 11
  text += R"({"messages": [{"role": "user", "content": "cut)";  // 12
  DatasetOptions options;
  options.max_bad_rows = 10;
  const auto data = f.open("d.jsonl", text, options);
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_THAT(answers(*data), ElementsAre("1", "5"));
  EXPECT_EQ(data->bad_rows(), 10);
  std::vector<std::string> bad;
  for (const BadRow& row : data->bad_rows_listed())
    bad.push_back(row.where.substr(row.where.find("line")) + ": " + row.reason);
  EXPECT_THAT(
      bad, ElementsAre(AllOf(HasSubstr("line 2: "), HasSubstr("not valid JSON")),
                       AllOf(HasSubstr("line 3: "), HasSubstr("UTF-8")),
                       AllOf(HasSubstr("line 4: "), HasSubstr("prompt")),
                       AllOf(HasSubstr("line 5: "), HasSubstr("not valid JSON")),
                       AllOf(HasSubstr("line 6: "), HasSubstr("missing.png is not there")),
                       AllOf(HasSubstr("line 7: "), HasSubstr("outside of the dataset's folder")),
                       AllOf(HasSubstr("line 8: "), HasSubstr("--allow-outside")),
                       AllOf(HasSubstr("line 10: "), HasSubstr("no picture of a known kind")),
                       AllOf(HasSubstr("line 11: "), HasSubstr("no object")),
                       AllOf(HasSubstr("line 12: "), HasSubstr("may be cut off"))));
  EXPECT_THAT(data->bad_rows_text(), HasSubstr("d.jsonl: line 12: "));
  options.max_bad_rows = 9;
  EXPECT_THAT(f.error("d.jsonl", text, options),
              AllOf(HasSubstr("d.jsonl: line 2: "), HasSubstr("10 of 12, limit 9"),
                    HasSubstr("--max-bad-rows 10")));
  options.allow_outside = true;
  options.max_bad_rows = 10;
  EXPECT_EQ(f.open("d.jsonl", text, options)->size(), 3);  // /etc/passwd is a file
}

TEST(Dataset, UnlessToldHalfOfTheRowsMayBeBad) {
  Files f;
  EXPECT_EQ(f.open("d.jsonl", chat("1") + "\n{\n")->size(), 1);
  EXPECT_THAT(f.error("d.jsonl", chat("1") + "\n{\n{\n"), HasSubstr("2 of 3, limit 1"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += i < 101 ? "{\n" : chat("1") + "\n";
  EXPECT_THAT(f.error("d.jsonl", many), HasSubstr("limit 100"));
}

TEST(Dataset, ListsThatBreakOff) {
  Files f;
  const std::string one = chat("1");
  const auto reason = [&](const std::string& text) {
    DatasetOptions options;
    options.max_bad_rows = 5;
    const auto data = f.open("d.json", text, options);
    EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message());
    return data.ok() && data->bad_rows() == 1 ? data->bad_rows_listed()[0].reason : "";
  };
  EXPECT_THAT(reason("[" + one), HasSubstr("no end"));
  EXPECT_THAT(reason("[" + one + ","), HasSubstr("no end"));
  EXPECT_THAT(reason("[" + one + "," + one.substr(0, 40)), HasSubstr("ends within the row"));
  EXPECT_THAT(reason("[" + one + " " + one + "]"), HasSubstr("comma is missing"));
  EXPECT_THAT(reason("[" + one + ",," + one + "]"), HasSubstr("missing between commas"));
  EXPECT_THAT(reason("[" + one + "] [" + one + "]"), HasSubstr("behind the list"));
}

TEST(Dataset, FilesThatAreNoDatasets) {
  Files f;
  EXPECT_THAT(f.error("d.jsonl", ""), HasSubstr("the file is empty"));
  EXPECT_THAT(f.error("d.jsonl", "\n \r\n"), HasSubstr("no rows"));
  EXPECT_THAT(f.error("d.json", "[]"), HasSubstr("no rows"));
  EXPECT_THAT(f.error("d.parquet", "PAR1xxxx"), AllOf(HasSubstr("Parquet"), HasSubstr("to_json")));
  EXPECT_THAT(f.error("d.jsonl", "\x1F\x8Bxx"), HasSubstr("unpack"));
  EXPECT_THAT(f.error("d.jsonl", "\xFF\xFE{"), HasSubstr("UTF-16"));
  EXPECT_THAT(f.error("d.jsonl", "{"), AllOf(HasSubstr("line 1"), HasSubstr("no row can be used")));
  EXPECT_FALSE(Dataset::open({f.folder.path("none.jsonl")}).ok());
  EXPECT_EQ(Dataset::open({}).error().code, base::Code::kUsage);
  const TempFolder empty;
  EXPECT_THAT(Dataset::open({empty.path()}).error().message(), HasSubstr("name the data file"));
  empty.write("a.parquet", "PAR1");
  EXPECT_THAT(Dataset::open({empty.path()}).error().message(), HasSubstr("Parquet"));
}

TEST(Dataset, AnEndlessLineCostsNeitherMemoryNorTheRest) {
  Files f;
  f.folder.write("d.jsonl", chat("1") + "\n{");
  // A hole in the file: zeros that are not on the disk.
  std::filesystem::resize_file(f.folder.path("d.jsonl"), uint64_t{400} << 20);
  {
    std::FILE* out = std::fopen(f.folder.path("d.jsonl").c_str(), "ab");
    ASSERT_TRUE(out);
    std::fputs(("\n" + chat("2") + "\n").c_str(), out);
    std::fclose(out);
  }
  const int64_t before = base::process_memory().peak;
  const auto data = Dataset::open({f.folder.path("d.jsonl")});
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_THAT(answers(*data), ElementsAre("1", "2"));
  EXPECT_THAT(data->bad_rows_text(), AllOf(HasSubstr("line 2"), HasSubstr("limit 67108864")));
  EXPECT_LT(base::process_memory().peak - before, int64_t{200} << 20);
}

TEST(Dataset, TheSplitHangsOnContentAlone) {
  Files f;
  std::string text, more;
  for (int i = 0; i < 400; ++i) text += chat(std::to_string(i)) + "\n";
  const auto data = f.open("a.jsonl", text);
  const auto [train, eval] = data->split(0.1, 7);
  EXPECT_EQ(train.size() + eval.size(), 400);
  EXPECT_GT(eval.size(), 15);
  EXPECT_LT(eval.size(), 75);
  const auto kept = answers(eval);
  // Rows put in front move nothing.
  const auto longer = f.open("b.jsonl", chat("new") + "\n" + text)->split(0.1, 7);
  auto kept_longer = answers(longer.second);
  std::erase(kept_longer, "new");
  EXPECT_EQ(kept_longer, kept);
  EXPECT_NE(answers(data->split(0.1, 8).second), kept);
  const auto counted = data->split_count(25, 7);
  EXPECT_EQ(counted.second.size(), 25);
  EXPECT_EQ(counted.first.size(), 375);
  // Both parts have rows, however few there are.
  EXPECT_EQ(data->first(2).split(0.01, 1).second.size(), 1);
  EXPECT_EQ(data->first(2).split(0.99, 1).first.size(), 1);
  EXPECT_EQ(data->split_count(1000, 7).second.size(), 399);
  EXPECT_NE(data->fingerprint(), data->first(399).fingerprint());
  EXPECT_EQ(data->fingerprint(), f.open("c.jsonl", text)->fingerprint());
}

TEST(Dataset, SeveralFiles) {
  Files f;
  f.folder.write("b.jsonl", chat("2") + "\n" + chat("3"));
  f.folder.write("a.json", "[" + chat("1") + "]");
  f.folder.write("ignored.csv", "x");
  const auto data = Dataset::open({f.folder.path()});
  EXPECT_THAT(answers(*data), ElementsAre("1", "2", "3"));
  EXPECT_THAT(data->where(2), HasSubstr("b.jsonl: line 2"));
}

}  // namespace
}  // namespace ocelli::train
