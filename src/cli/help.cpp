#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"

namespace ocelli::cli {

namespace {

constexpr size_t kNameColumn = 32;
constexpr size_t kPageWidth = 96;

// "  NAME   text", the text wrapped in a column of its own.
std::string two_columns(std::string name, const std::string& text) {
  std::string out = "  " + std::move(name);
  size_t column = out.size();
  if (column + 2 > kNameColumn) {
    out += "\n";
    column = 0;
  }
  out.append(kNameColumn - column, ' ');
  column = kNameColumn;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (column > kNameColumn && column + 1 + (end - at) > kPageWidth) {
      out += "\n" + std::string(kNameColumn, ' ');
      column = kNameColumn;
    }
    if (column > kNameColumn) out += " ", ++column;
    out += text.substr(at, end - at);
    column += end - at;
    at = end + 1;
  }
  return out + "\n";
}

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    std::string out = make_description(app) + "\n" + make_usage(app, std::move(name)) +
                      make_subcommands(app, mode) + make_groups(app, CLI::AppFormatMode::Normal);
    for (size_t at; (at = out.find("\n\n\n")) != std::string::npos;) out.erase(at, 1);
    return out;
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string out = "Usage: " + std::move(name);
    if (!app->get_subcommands({}).empty()) out += " COMMAND";
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) out += " " + option->get_description();
    }
    return out + " [OPTIONS]\n";
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string out = "\n" + std::move(group) + ":\n";
    for (const CLI::Option* option : options) out += make_option(option, is_positional);
    return out;
  }

  std::string make_option(const CLI::Option* option, bool) const override {
    std::string name;
    for (const std::string& s : option->get_snames()) name += (name.empty() ? "-" : ", -") + s;
    if (name.empty()) name = "   ";
    for (const std::string& l : option->get_lnames()) name += (name == "   " ? " --" : ", --") + l;
    if (option->get_type_size() != 0) {
      const std::string type = option->get_type_name();  // NAME:RULES
      name += " " + type.substr(0, type.find(':'));
    }
    return two_columns(std::move(name), option->get_description());
  }

  std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode) const override {
    std::string out;
    for (const CLI::App* sub : app->get_subcommands({})) {
      const std::string description = sub->get_description();
      std::string first = description.substr(0, description.find("\n\n"));
      if (first.ends_with('.')) first.pop_back();
      out += (out.empty() ? "\nCommands:\n" : "") + two_columns(sub->get_name(), first);
    }
    return out;
  }
};

const CLI::App* chosen(const CLI::App& root) {
  const auto subs = root.get_subcommands();
  return subs.empty() ? nullptr : subs.back();
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> make_help_formatter() {
  return std::make_shared<HelpFormatter>();
}

std::string parse_error_text(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* sub = chosen(root);
  const std::string help =
      "; see ocelli " + (sub ? sub->get_name() + " " : std::string()) + "--help";
  const std::vector<std::string> rest = sub ? sub->remaining() : root.remaining();
  const bool unknown = dynamic_cast<const CLI::ExtrasError*>(&error) || (!sub && !rest.empty());
  if (!unknown || rest.empty()) return base::printable(error.what(), 1000) + help;
  std::string word = rest.front();
  std::vector<std::string> names;
  if (sub || word.starts_with('-')) {
    word = word.substr(0, word.find('='));
    for (const CLI::Option* option : (sub ? sub : &root)->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  } else {
    for (const CLI::App* s : root.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(s->get_name());
  }
  const std::string near = base::nearest(word, names);
  const char* what = word.starts_with('-') ? ": no such option"
                     : sub                 ? ": not expected here"
                                           : ": no such command";
  return base::printable(word) + what + (near.empty() ? help : "; did you mean " + near + "?");
}

}  // namespace ocelli::cli
