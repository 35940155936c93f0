// What tests of `ocelli train` share: a small model, a few rows of text, a folder.
#pragma once

#include <gtest/gtest.h>

#include <fstream>

#include "process.h"

namespace ocelli::test {

class Train : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream data(folder_.file("data.jsonl"));
    const char* const kWords[] = {"one", "two", "three", "four", "five", "six", "seven"};
    for (int i = 0; i < 14; ++i) {
      data << R"({"prompt": "after )" << kWords[i % 7] << R"( comes", "completion": ")"
           << kWords[(i + 1) % 7] << "\"}\n";
    }
  }

  std::vector<std::string> words(const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {"train", model_, folder_.file("data.jsonl"), "-o", out};
    all.insert(all.end(), {"--gradient_accumulation_steps", "2", "-t", "1"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Finished train(const std::string& out, std::vector<std::string> more = {}) {
    return run(words(out, std::move(more)));
  }
  std::string bytes(const std::string& path) const { return read_all(path); }
  std::string weights(const std::string& out) const {
    return bytes(out + "/model/model.safetensors");
  }
  // Of the log; how fast they came is another matter.
  std::vector<double> losses(const std::string& out) const {
    std::vector<double> values;
    for (const base::Json& line : parse_lines(bytes(out + "/metrics.jsonl"))) {
      values.push_back(line.find("train/loss")->as_double());
    }
    return values;
  }

  TemporaryFolder folder_;
  std::string model_ = fixture("models/smollm2");
};

}  // namespace ocelli::test
