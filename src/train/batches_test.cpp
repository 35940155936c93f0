#include "train/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "formats/model_folder.h"
#include "formats/test_support.h"

namespace ocelli::train {
namespace {

using formats::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

engine::Engine& tiny() {
  static const auto engine = [] {
    engine::EngineOptions options;
    options.threads = 1;
    auto folder = formats::ModelFolder::open(std::string(OCELLI_FIXTURES) + "/models/smollm3");
    return engine::Engine::load(std::move(folder).value(), options).value();
  }();
  return *engine;
}

// Rows of different lengths: texts of 1 to 13 words.
std::string rows_text(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    std::string words = std::to_string(i);
    for (int w = 0; w < i * 5 % 13; ++w) words += " word";
    out += "{\"text\": \"" + words + "\"}\n";
  }
  return out;
}

class Stream {
 public:
  explicit Stream(const std::string& text, BatchOptions options = {}, SampleOptions samples = {})
      : options_(options) {
    folder_.write("d.jsonl", text);
    DatasetOptions bad;
    bad.max_bad_rows = 1000;
    auto data = Dataset::open({folder_.path("d.jsonl")}, bad);
    EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message());
    auto made = BatchStream::create(std::move(data).value(),
                                    SampleMaker::create(tiny(), samples).value(), options);
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
    stream_.emplace(std::move(made).value());
  }
  BatchStream& operator*() { return *stream_; }
  BatchStream* operator->() { return &*stream_; }

  // The rows of the next batch; {-1} at the end.
  std::vector<int64_t> rows() {
    auto batch = stream_->next();
    EXPECT_TRUE(batch.ok()) << (batch.ok() ? "" : batch.error().message());
    if (!batch.ok()) return {-2};
    if (!*batch) return {-1};
    std::vector<int64_t> out;
    for (const Example& e : (*batch)->examples) out.push_back(e.row);
    tokens_ = (*batch)->tokens();
    return out;
  }
  int64_t tokens() const { return tokens_; }
  std::vector<std::vector<int64_t>> all() {
    std::vector<std::vector<int64_t>> out;
    for (auto batch = rows(); batch != std::vector<int64_t>{-1}; batch = rows()) {
      out.push_back(batch);
      if (out.size() > 1000) break;
    }
    return out;
  }

 private:
  TempFolder folder_;
  BatchOptions options_;
  std::optional<BatchStream> stream_;
  int64_t tokens_ = 0;
};

std::vector<int64_t> joined(const std::vector<std::vector<int64_t>>& batches) {
  std::vector<int64_t> out;
  for (const auto& batch : batches) out.insert(out.end(), batch.begin(), batch.end());
  return out;
}

TEST(Batches, TheOrderIsThatOfSeedAndEpoch) {
  const auto order = epoch_order(1000, 5, 0);
  EXPECT_EQ(order, epoch_order(1000, 5, 0));
  EXPECT_NE(order, epoch_order(1000, 5, 1));
  EXPECT_NE(order, epoch_order(1000, 6, 0));
  EXPECT_EQ(std::set<uint32_t>(order.begin(), order.end()).size(), 1000u);
  EXPECT_TRUE(epoch_order(0, 5, 0).empty());
  // Every place sees every row about as often: 6 rows, 6000 epochs, 1000 times each.
  std::vector<std::vector<int>> seen(6, std::vector<int>(6));
  for (int64_t epoch = 0; epoch < 6000; ++epoch) {
    const auto small = epoch_order(6, 1, epoch);
    for (size_t i = 0; i < 6; ++i) ++seen[i][small[i]];
  }
  for (const auto& place : seen) {
    for (const int count : place) EXPECT_NEAR(count, 1000, 150);  // five standard deviations
  }
}

TEST(Batches, EveryRowOnceAnEpoch) {
  BatchOptions options;
  options.batch_size = 4;
  options.epochs = 2;
  Stream s(rows_text(10), options);
  EXPECT_EQ(s->size(), 3);
  const auto batches = s.all();
  ASSERT_EQ(batches.size(), 6u);
  EXPECT_EQ(batches[2].size(), 2u);  // never over the end of an epoch
  EXPECT_EQ(s.rows(), std::vector<int64_t>{-1});
  const auto order = joined(batches);
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::vector<int64_t> part(order.begin() + epoch * 10, order.begin() + epoch * 10 + 10);
    std::sort(part.begin(), part.end());
    for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(part[size_t(i)], i);
  }
  options.drop_last = true;
  Stream full(rows_text(10), options);
  EXPECT_EQ(full->size(), 2);
  EXPECT_EQ(full.all().size(), 4u);
  options = {};
  options.shuffle = false;
  options.epochs = 1;
  EXPECT_THAT(joined(Stream(rows_text(4), options).all()), ElementsAre(0, 1, 2, 3));
}

TEST(Batches, PackingFillsBatchesAndLosesNothing) {
  BatchOptions options;
  options.max_tokens = 48;
  options.epochs = 1;
  SampleOptions samples;
  samples.max_length = 40;
  Stream s(rows_text(60), options, samples);
  int64_t tokens = 0, count = 0;
  std::vector<int64_t> rows;
  for (auto batch = s.rows(); batch != std::vector<int64_t>{-1}; batch = s.rows()) {
    EXPECT_LE(s.tokens(), 48);
    tokens += s.tokens();
    ++count;
    rows.insert(rows.end(), batch.begin(), batch.end());
  }
  EXPECT_GT(double(tokens), 0.85 * double(count * 48));
  EXPECT_NEAR(double(s->size()), double(count), 0.3 * double(count));
  std::sort(rows.begin(), rows.end());
  ASSERT_EQ(rows.size(), 60u);
  for (int64_t i = 0; i < 60; ++i) EXPECT_EQ(rows[size_t(i)], i);
}

TEST(Batches, ACursorLeadsToTheSameBatches) {
  for (const int64_t max_tokens : {int64_t{0}, int64_t{48}}) {
    for (const bool prefetch : {false, true}) {
      BatchOptions options;
      options.batch_size = 3;
      options.max_tokens = max_tokens;
      options.prefetch = prefetch;
      options.epochs = 3;
      options.seed = 11;
      const std::string text = rows_text(20) + "{\"text\": \"\"}\n";
      Stream whole(text, options);
      const auto all = whole.all();
      ASSERT_GT(all.size(), 9u);
      for (size_t stop = 0; stop < all.size(); stop += 4) {
        Stream first(text, options), second(text, options);
        for (size_t i = 0; i < stop; ++i) first.rows();
        const auto saved =
            Cursor::from_json(base::Json::parse(first->cursor().json().dump()).value());
        ASSERT_TRUE(saved.ok());
        second.rows();  // it may have been somewhere else
        second->seek(*saved);
        EXPECT_EQ(second->cursor(), *saved);
        const auto rest = second.all();
        EXPECT_EQ(rest, std::vector(all.begin() + long(stop), all.end())) << stop;
        EXPECT_EQ(second->cursor(), whole->cursor());
      }
    }
  }
}

TEST(Batches, ReadingAheadChangesNothing) {
  BatchOptions options;
  options.batch_size = 2;
  options.epochs = 2;
  options.prefetch = false;
  Stream without(rows_text(9), options);
  options.prefetch = true;
  Stream with(rows_text(9), options);
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(with.rows(), without.rows());
    EXPECT_EQ(with->cursor(), without->cursor());
  }
}

TEST(Batches, RowsThatFailLaterAreCountedAndNamed) {
  const std::string good = "{\"text\": \"good\"}\n";
  BatchOptions options;
  options.epochs = 1;
  options.shuffle = false;
  SampleOptions samples;
  samples.max_length = 3;
  Stream cut("{\"prompt\": \"a long question it is\", \"completion\": \"b\"}\n" + good, options,
             samples);
  EXPECT_EQ(joined(cut.all()), std::vector<int64_t>{1});
  EXPECT_EQ(cut->cursor().counts.too_long, 1);
  EXPECT_EQ(cut->cursor().counts.made, 1);
  Stream none("{\"prompt\": \"a long question it is\", \"completion\": \"b\"}\n", options, samples);
  const auto error = (*none).next();
  ASSERT_FALSE(error.ok());
  EXPECT_EQ(error.error().code, base::Code::kBadInput);
  EXPECT_THAT(error.error().message(),
              AllOf(HasSubstr("no trainable token"), HasSubstr("1 too long")));
}

TEST(Batches, TooManyBrokenPicturesEndTheRun) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 4; ++i) {
    folder.write(std::to_string(i) + ".png", i == 3 ? "no picture" : "x");
    text += "{\"file_name\": \"" + std::to_string(i) + ".png\", \"text\": \"a\"}\n";
  }
  folder.write("d.jsonl", text);
  engine::EngineOptions loading;
  loading.threads = 1;
  loading.split_images = false;
  auto model = formats::ModelFolder::open(std::string(OCELLI_FIXTURES) + "/models/smolvlm2-a");
  const auto engine = engine::Engine::load(std::move(model).value(), loading).value();
  BatchOptions options;
  options.shuffle = false;
  options.max_bad_rows = 2;
  auto stream = BatchStream::create(Dataset::open({folder.path("d.jsonl")}).value(),
                                    SampleMaker::create(*engine, {}).value(), options);
  ASSERT_TRUE(stream.ok());
  const auto batch = stream->next();
  ASSERT_FALSE(batch.ok());
  EXPECT_THAT(batch.error().message(),
              AllOf(HasSubstr("line 3"), HasSubstr("2.png"), HasSubstr("(3, limit 2)")));
  ASSERT_EQ(stream->bad_rows_listed().size(), 3u);
  EXPECT_THAT(stream->bad_rows_listed()[0].where, HasSubstr("line 1"));
}

TEST(Batches, OptionsAndCursorsOutOfRange) {
  const TempFolder folder;
  folder.write("d.jsonl", rows_text(3));
  const Dataset data = Dataset::open({folder.path("d.jsonl")}).value();
  const SampleMaker maker = SampleMaker::create(tiny(), {}).value();
  EXPECT_FALSE(BatchStream::create(data, maker, {.batch_size = 0}).ok());
  EXPECT_FALSE(BatchStream::create(data, maker, {.max_tokens = -1}).ok());
  auto stream = BatchStream::create(data, maker, {.max_tokens = 100});
  Cursor cursor;
  cursor.held = {7};
  stream->seek(cursor);
  EXPECT_EQ(stream->next().error().code, base::Code::kTraining);
  EXPECT_FALSE(Cursor::from_json(base::Json::parse("{}").value()).ok());
}

}  // namespace
}  // namespace ocelli::train
