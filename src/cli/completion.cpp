// ocelli completion: scripts made from the program's own options.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/terminal.h"

namespace ocelli::cli {
namespace {

using base::Result;

std::string option_words(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out += "--" + name + " ";
  }
  return out;
}

std::string bash_script(const CLI::App& root, bool zsh) {
  std::string commands, cases;
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; })) {
    commands += sub->get_name() + " ";
    cases += "    " + sub->get_name() + ") words=\"" + option_words(*sub) + "\" ;;\n";
  }
  return std::string(zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : "") +
         "_ocelli() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W \"" +
         commands +
         "\" -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"${COMP_WORDS[1]}\" in\n" +
         cases +
         "  esac\n"
         "  case \"$word\" in\n"
         "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
         "    *) COMPREPLY=($(compgen -W \"$(ocelli list --names 2>/dev/null)\" -- \"$word\") "
         "$(compgen -f -- \"$word\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _ocelli ocelli\n";
}

std::string fish_script(const CLI::App& root) {
  std::string out = "complete -c ocelli -n __fish_use_subcommand -f\n";
  for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = sub->get_name();
    out += "complete -c ocelli -n __fish_use_subcommand -a " + name + "\n";
    for (const CLI::Option* option : sub->get_options()) {
      for (const std::string& word : option->get_lnames()) {
        out += "complete -c ocelli -n '__fish_seen_subcommand_from " + name + "' -l " + word + "\n";
      }
    }
  }
  return out;
}

}  // namespace

Run make_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>("bash");
  app.description(
      "A completion script.\n\n  ocelli completion bash > "
      "~/.local/share/bash-completion/completions/ocelli");
  app.add_option("shell", *shell, "[bash|zsh|fish]")->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell, root = app.get_parent()](Session&) -> Result<int> {
    OCELLI_TRY(print(*shell == "fish" ? fish_script(*root) : bash_script(*root, *shell == "zsh")));
    return 0;
  };
}

}  // namespace ocelli::cli
