#include "cli/chat_commands.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/nearest.h"
#include "cli/input_words.h"
#include "cli/name_completion.h"
#include "cli/terminal.h"

namespace ocelli::cli {

using base::Code;
using base::Result;
using base::Status;

namespace {

enum class Argument { kNone, kPictures, kVideos, kFile, kText, kSetting };

struct Command {
  std::string_view name, form, help;
  Argument argument;
  Status (*run)(Chat& chat, std::string_view name, std::string_view argument);
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") + 1 - first);
}

Status attach_all(Chat& chat, std::string_view name, std::string_view argument) {
  const std::vector<Word> words = split_words(argument);
  if (words.empty())
    return base::fail(Code::kUsage, "name a file: " + std::string(name) + " FILE", name);
  for (const Word& word : words) OCELLI_TRY(chat.attach(file_of_word(word.text), name == "/video"));
  return {};
}

Result<std::string> one_file(std::string_view name, std::string_view argument) {
  const std::vector<Word> words = split_words(argument);
  if (words.size() == 1) return file_of_word(words[0].text);
  return base::fail(
      Code::kUsage,
      std::string(words.empty() ? "name a file" : "one file only; put \\ before spaces") + ": " +
          std::string(name) + " FILE",
      name);
}

Status clear(Chat& chat, std::string_view, std::string_view) {
  chat.clear();
  const bool system = !chat.conversation().system.empty();
  return print(system ? "A new conversation; the system prompt stays.\n" : "A new conversation.\n");
}

Status save(Chat& chat, std::string_view name, std::string_view argument) {
  OCELLI_ASSIGN(const std::string path, one_file(name, argument));
  OCELLI_TRY(chat.save(path));
  return print("Saved " + count_text(int64_t(chat.conversation().messages.size())) +
               " messages in " + base::printable(path) + ".\n");
}

Status load(Chat& chat, std::string_view name, std::string_view argument) {
  OCELLI_ASSIGN(const std::string path, one_file(name, argument));
  OCELLI_TRY(chat.load(path));
  return print("Loaded " + count_text(int64_t(chat.conversation().messages.size())) +
               " messages from " + base::printable(path) + ".\n");
}

Status show(Chat& chat, std::string_view, std::string_view) {
  return print(chat.describe() + settings_text(chat.settings()));
}

Status set_system(Chat& chat, std::string_view, std::string_view argument) {
  chat.set_system(std::string(argument));
  return print(argument.empty() ? "No system prompt.\n"
                                : "The system prompt holds from the next answer on.\n");
}

Status set(Chat& chat, std::string_view, std::string_view argument) {
  if (argument.empty()) return print(settings_text(chat.settings()));
  if (argument.starts_with("parameter ")) argument = trimmed(argument.substr(10));
  const size_t space = argument.find_first_of(" \t=");
  const std::string_view name = argument.substr(0, space);
  const std::string_view value =
      space == std::string_view::npos ? "" : trimmed(argument.substr(space + 1));
  if (name == "system") return set_system(chat, name, value);
  if (name == "think") {
    if (value != "on" && value != "off")
      return base::fail(Code::kUsage, "is on or off; for example /set think off", name);
    return chat.set_thinking(value == "on");
  }
  return set_option(chat.settings(), name, value);
}

Status retry(Chat& chat, std::string_view, std::string_view) {
  return chat.retry();
}

Status help(Chat&, std::string_view, std::string_view) {
  return print(command_help());
}

constexpr Command kCommands[] = {
    {"/image", "/image FILE...", "pictures for the next question (or drop the file here)",
     Argument::kPictures, attach_all},
    {"/video", "/video FILE...", "clips for the next question", Argument::kVideos, attach_all},
    {"/retry", "/retry", "the last question again", Argument::kNone, retry},
    {"/clear", "/clear", "a new conversation", Argument::kNone, clear},
    {"/save", "/save FILE", "the conversation as JSON", Argument::kFile, save},
    {"/load", "/load FILE", "go on with a saved conversation", Argument::kFile, load},
    {"/show", "/show", "model, context, settings, pictures", Argument::kNone, show},
    {"/system", "/system TEXT", "what the model is told first", Argument::kText, set_system},
    {"/set", "/set NAME VALUE", "temperature, top_k, top_p, max_tokens, seed, think ...",
     Argument::kSetting, set},
    {"/help", "/help", "this page", Argument::kNone, help},
    {"/exit", "/exit, /bye", "leave", Argument::kNone, nullptr},
    {"/bye", "", "", Argument::kNone, nullptr},
};

// Names under which tools know an option, the value's place, and how to read it.
struct Setting {
  std::string_view name;
  double GenerateFlags::*number = nullptr;
  int GenerateFlags::*whole = nullptr;
  int64_t GenerateFlags::*large = nullptr;
  uint64_t GenerateFlags::*seed = nullptr;
};

constexpr Setting kSettings[] = {
    {.name = "temperature", .number = &GenerateFlags::temperature},
    {.name = "top_k", .whole = &GenerateFlags::top_k},
    {.name = "top_p", .number = &GenerateFlags::top_p},
    {.name = "min_p", .number = &GenerateFlags::min_p},
    {.name = "repeat_penalty", .number = &GenerateFlags::repetition_penalty},
    {.name = "presence_penalty", .number = &GenerateFlags::presence_penalty},
    {.name = "frequency_penalty", .number = &GenerateFlags::frequency_penalty},
    {.name = "seed", .seed = &GenerateFlags::seed},
    {.name = "max_tokens", .large = &GenerateFlags::max_tokens},
};

template <typename T>
bool read_value(std::string_view text, T& out) {
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return false;
  out = value;
  return true;
}

std::string nearest_hint(std::string_view word, const std::vector<std::string>& names,
                         const std::string& otherwise) {
  const std::string near = base::nearest(word, names);
  return near.empty() ? otherwise : "did you mean " + near + "?";
}

const Command* find_command(std::string_view name) {
  for (const Command& c : kCommands) {
    if (c.name == name) return &c;
  }
  return nullptr;
}

}  // namespace

bool is_command(std::string_view input) {
  if (!input.starts_with('/')) return false;
  return input.substr(0, input.find_first_of(" \t\n")).find('/', 1) == std::string_view::npos;
}

Result<AfterCommand> run_command(Chat& chat, std::string_view input) {
  const size_t space = input.find_first_of(" \t\n");
  std::string_view name = input.substr(0, space);
  const std::string_view argument =
      space == std::string_view::npos ? std::string_view() : trimmed(input.substr(space));
  if (name == "/?") name = "/help";
  const Command* command = find_command(name);
  if (!command) {
    std::vector<std::string> names;
    for (const Command& c : kCommands) names.emplace_back(c.name);
    return base::fail(
        Code::kUsage,
        "no such command; " + nearest_hint(name, names,
                                           "/help lists them, a space before the slash "
                                           "makes it a question"),
        base::printable(name, 60));
  }
  if (command->argument == Argument::kNone && !argument.empty()) {
    return base::fail(Code::kUsage, "takes nothing behind it; leave the rest out", name);
  }
  if (!command->run) return AfterCommand::kLeave;
  OCELLI_TRY(command->run(chat, name, argument));
  return AfterCommand::kGoOn;
}

std::string command_help() {
  std::string out;
  const auto line = [&](std::string_view form, std::string_view text) {
    std::string left = "  " + std::string(form);
    left.resize(std::max<size_t>(left.size() + 2, 20), ' ');
    out += left + std::string(text) + "\n";
  };
  for (const Command& c : kCommands) {
    if (!c.form.empty()) line(c.form, c.help);
  }
  line("\"\"\"", "begins and ends a question of several lines; \\ at the end of a line goes on");
  line("Tab", "completes commands and file names; arrows and Ctrl-R: history");
  line("Ctrl-C", "stops the answer, clears the line; twice, or Ctrl-D: leave");
  return out;
}

Status set_option(GenerateFlags& flags, std::string_view name, std::string_view value) {
  std::vector<std::string> names;
  const Setting* found = nullptr;
  for (const Setting& s : kSettings) {
    names.emplace_back(s.name);
    if (s.name == name) found = &s;
  }
  if (!found) {
    return base::fail(Code::kUsage,
                      "no such setting; " + nearest_hint(name, names, "/set alone lists them"),
                      base::printable(name, 60));
  }
  GenerateFlags changed = flags;
  const bool read = found->number  ? read_value(value, changed.*found->number)
                    : found->whole ? read_value(value, changed.*found->whole)
                    : found->large ? read_value(value, changed.*found->large)
                                   : read_value(value, changed.*found->seed);
  if (!read) {
    return base::fail(Code::kUsage,
                      std::string(found->number ? "needs a number" : "needs a whole number") +
                          " (" + base::printable(value, 40) + "); for example /set " +
                          std::string(name) + (found->number ? " 0.7" : " 40"),
                      name);
  }
  OCELLI_TRY(changed.options().ok() ? Status() : Status(changed.options().error()).in(name));
  flags = std::move(changed);
  return {};
}

std::string settings_text(const GenerateFlags& flags) {
  std::string out;
  for (const Setting& s : kSettings) {
    char text[64];
    const auto wrote = s.number  ? std::to_chars(text, text + sizeof text, flags.*s.number)
                       : s.whole ? std::to_chars(text, text + sizeof text, flags.*s.whole)
                       : s.large ? std::to_chars(text, text + sizeof text, flags.*s.large)
                                 : std::to_chars(text, text + sizeof text, flags.*s.seed);
    std::string line(s.name);
    line.resize(19, ' ');
    out += line + std::string(text, wrote.ptr) + "\n";
  }
  return out;
}

Completion complete_input(std::string_view line) {
  const size_t space = line.find_first_of(" \t\n");
  if (is_command(line) && space == std::string_view::npos) {
    Completion out;
    for (const Command& c : kCommands) {
      if (c.name.starts_with(line)) out.candidates.emplace_back(c.name);
    }
    return out;
  }
  const Command* const command = is_command(line) ? find_command(line.substr(0, space)) : nullptr;
  if (command && command->argument == Argument::kSetting) {
    Completion out;
    out.begin = line.find_last_of(" \t") + 1;
    for (const Setting& s : kSettings) {
      if (s.name.starts_with(line.substr(out.begin))) out.candidates.emplace_back(s.name);
    }
    return out;
  }
  const Argument argument = command ? command->argument : Argument::kText;
  if (argument == Argument::kNone) return {};
  return complete_name(
      line,
      [argument](std::string_view name) {
        if (argument == Argument::kFile) return true;
        if (argument == Argument::kPictures) return is_picture_name(name);
        if (argument == Argument::kVideos) return is_video_name(name);
        return is_picture_name(name) || is_video_name(name);
      },
      argument == Argument::kText);
}

}  // namespace ocelli::cli
