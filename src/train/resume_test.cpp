#include "train/resume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ocelli::train {
namespace {

using base::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Json recipe(std::initializer_list<std::pair<std::string, Json>> changed, Json engine = {}) {
  TrainOptions o;
  for (const auto& [name, value] : changed) EXPECT_TRUE(set_option(o, name, value).ok()) << name;
  Json options = Json::object();
  for (const OptionField& f : option_fields()) options.set(std::string(f.name), option_json(o, f));
  Json out = Json::object({{"options", options}});
  if (!engine.is_null()) out.set("engine", engine);
  return Json::parse(out.dump()).value();  // as it is read from a file
}

struct Notes {
  std::string all;
  std::function<void(const std::string&)> sink = [this](const std::string& n) { all += n; };
};

TEST(Resume, TheSameIsTheSame) {
  Notes notes;
  EXPECT_TRUE(check_resumed(recipe({}), recipe({}), notes.sink).ok());
  const Json some =
      recipe({{"lora_alpha", 7}, {"weight_decay", 0.1}, {"target_modules", "q_proj"}});
  EXPECT_TRUE(check_resumed(some, some, notes.sink).ok());
  // Of an earlier version: without some options, with another's name.
  const Json old = Json::parse(R"({"options": {"lora_r": 16, "teacher": "", "gone": 1}})").value();
  EXPECT_TRUE(check_resumed(old, recipe({}, Json::object({{"weights", "q4"}})), notes.sink).ok());
  EXPECT_EQ(notes.all, "");
}

TEST(Resume, WhatDecidesNumbersIsRefusedAndListed) {
  Notes notes;
  const auto refused = check_resumed(
      recipe({{"lora_r", 4}, {"optim", "sgd"}}, Json::object({{"weights", "q4"}})),
      recipe({{"learning_rate", 0.5}, {"max_steps", 9}, {"optim", "sgd"}}, Json::object()),
      notes.sink);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kTraining);
  EXPECT_THAT(refused.error().what, AllOf(HasSubstr("lora_r 4 (now 16)"), HasSubstr("(now 0.5)"),
                                          HasSubstr("weights \"q4\" (now null)"), HasSubstr("-o"),
                                          Not(HasSubstr("max_steps")), Not(HasSubstr("optim"))));
  EXPECT_EQ(notes.all, "");
}

TEST(Resume, TheRestIsAcceptedAndSaid) {
  Notes notes;
  EXPECT_TRUE(check_resumed(recipe({{"max_steps", 5}}),
                            recipe({{"max_steps", 9}, {"logging_steps", 1}}), notes.sink)
                  .ok());
  EXPECT_THAT(notes.all, AllOf(HasSubstr("max_steps 5 (now 9)"), HasSubstr("logging_steps"),
                               HasSubstr("new end")));
}

// Every option is either: a new one that nobody thought of is refused, and no name is misspelt.
TEST(Resume, NamesAreOptions) {
  int free = 0;
  for (const OptionField& f : option_fields()) free += may_change(f.name);
  EXPECT_EQ(free, 18);
}

}  // namespace
}  // namespace ocelli::train
