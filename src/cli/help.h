// Help pages (the example first, then options in groups) and what to say about a mistyped word.
#pragma once

#include <memory>
#include <string>

namespace CLI {
class App;
class FormatterBase;
class ParseError;
}  // namespace CLI

namespace ocelli::cli {

// To be given to the root before its subcommands are made. The description of a positional option
// is its form in the usage line; the description of a command begins with one sentence and a blank
// line.
std::shared_ptr<CLI::FormatterBase> make_help_formatter();

// "WORD: WHAT; NEXT STEP" for a command line that cannot be parsed.
std::string parse_error_text(const CLI::App& root, const CLI::ParseError& error);

}  // namespace ocelli::cli
