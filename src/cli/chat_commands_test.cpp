#include "cli/chat_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/name_completion.h"

namespace ocelli::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ChatCommands, APathIsNoCommand) {
  EXPECT_TRUE(is_command("/help"));
  EXPECT_TRUE(is_command("/image /a/b.jpg"));
  EXPECT_TRUE(is_command("/"));
  EXPECT_FALSE(is_command("/home/a.jpg what"));
  EXPECT_FALSE(is_command(" /help"));
  EXPECT_FALSE(is_command("help"));
  EXPECT_FALSE(is_command(""));
}

TEST(ChatCommands, SettingsAreReadAndChecked) {
  GenerateFlags flags;
  for (const auto& [name, value] : {std::pair("temperature", "0.7"),
                                    {"top_k", "40"},
                                    {"top_p", "0.9"},
                                    {"min_p", "0.05"},
                                    {"repeat_penalty", "1.1"},
                                    {"seed", "18446744073709551615"},
                                    {"max_tokens", "-1"}}) {
    EXPECT_TRUE(set_option(flags, name, value).ok()) << name;
    EXPECT_THAT(settings_text(flags), HasSubstr(value));
  }
  EXPECT_EQ(flags.temperature, 0.7);
  EXPECT_EQ(flags.seed, UINT64_MAX);
  const std::pair<const char*, const char*> kBad[] = {{"temperature", ""},
                                                      {"temperature", "warm"},
                                                      {"temperature", "1x"},
                                                      {"temperature", "-1"},
                                                      {"temperature", "nan"},
                                                      {"top_p", "3"},
                                                      {"top_k", "0.5"},
                                                      {"top_k", "-2"},
                                                      {"seed", "-1"},
                                                      {"max_tokens", "0"},
                                                      {"max_tokens", "99999999999999999999"}};
  const std::string before = settings_text(flags);
  for (const auto& [name, value] : kBad) {
    const auto set = set_option(flags, name, value);
    ASSERT_FALSE(set.ok()) << name << " " << value;
    EXPECT_THAT(set.error().message(), HasSubstr(name));
  }
  EXPECT_THAT(set_option(flags, "tempature", "1").error().what, HasSubstr("mean temperature?"));
  EXPECT_THAT(set_option(flags, "zzz", "1").error().what, HasSubstr("/set alone"));
  EXPECT_EQ(settings_text(flags), before);
}

TEST(ChatCommands, HelpHasEveryCommand) {
  for (const char* name : {"/image", "/video", "/retry", "/clear", "/save", "/load", "/show",
                           "/system", "/set", "/help", "/exit", "/bye"})
    EXPECT_THAT(command_help(), HasSubstr(name));
}

TEST(ChatCommands, TabCompletesCommandsAndSettings) {
  EXPECT_THAT(complete_input("/im").candidates, ElementsAre("/image"));
  EXPECT_THAT(complete_input("/s").candidates, ElementsAre("/save", "/show", "/system", "/set"));
  EXPECT_THAT(complete_input("/zz").candidates, IsEmpty());
  const Completion set = complete_input("/set to");
  EXPECT_EQ(set.begin, 5u);
  EXPECT_THAT(set.candidates, ElementsAre("top_k", "top_p"));
  EXPECT_THAT(complete_input("/clear x").candidates, IsEmpty());
  EXPECT_THAT(complete_input("").candidates, IsEmpty());
}

class Names : public testing::Test {
 protected:
  Names() {
    std::string name = testing::TempDir() + "namesXXXXXX";
    folder_ = mkdtemp(name.data());
    for (const char* file : {"a cat.jpg", "a car.PNG", "clip.mp4", "note.txt", ".hidden.jpg",
                             "b\xc3\xa4r.webp", "esc\033[31m.jpg"})
      std::ofstream(folder_ + "/" + file) << "x";
    std::filesystem::create_directory(folder_ + "/album");
  }
  ~Names() override { std::filesystem::remove_all(folder_); }
  std::vector<std::string> after(const std::string& command, const std::string& rest) {
    const Completion c = complete_input(command + folder_ + rest);
    EXPECT_EQ(c.begin, command.size());
    std::vector<std::string> out;
    for (const std::string& name : c.candidates) {
      EXPECT_TRUE(name.starts_with(folder_ + "/")) << name;
      out.push_back(name.substr(folder_.size() + 1));
    }
    return out;
  }
  std::string folder_;
};

TEST_F(Names, OfPicturesClipsAndFiles) {
  EXPECT_THAT(after("/image ", "/a"), ElementsAre("a\\ car.PNG", "a\\ cat.jpg", "album/"));
  EXPECT_THAT(after("/image ", "/a\\ cat"), ElementsAre("a\\ cat.jpg"));
  EXPECT_THAT(after("/image ", "/b\xc3\xa4"), ElementsAre("b\xc3\xa4r.webp"));
  EXPECT_THAT(after("/image ", "/.h"), ElementsAre(".hidden.jpg"));
  EXPECT_THAT(after("/video ", "/"), ElementsAre("album/", "clip.mp4"));
  EXPECT_THAT(after("/save ", "/no"), ElementsAre("note.txt"));
  EXPECT_THAT(after("what is ", "/a\\ cat"), ElementsAre("a\\ cat.jpg"));
  EXPECT_THAT(after("/image ", "/none"), IsEmpty());
}

TEST_F(Names, AnOpenQuoteIsTheBeginningOfAName) {
  const Completion c = complete_input("/image '" + folder_ + "/a ca");
  EXPECT_EQ(c.begin, 7u);
  EXPECT_EQ(c.candidates.size(), 2u);
}

TEST_F(Names, ASentenceIsLeftAlone) {
  EXPECT_THAT(complete_input("what is a").candidates, IsEmpty());
  EXPECT_THAT(complete_name(
                  "note", [](std::string_view) { return true; }, true)
                  .candidates,
              IsEmpty());
}

}  // namespace
}  // namespace ocelli::cli
