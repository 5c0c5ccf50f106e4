#include "tools/completion_script.h"

#include <vector>

namespace recharge {
namespace {

// What can follow one verb: the path "" is the tool itself, "order create" a verb of a group.
struct Place {
  std::string path;
  std::vector<std::string> words;
};

void collect(const CLI::App& app, const std::string& path, const std::vector<std::string>& shared,
             std::vector<Place>& places) {
  Place place{path, {}};
  for (const CLI::App* verb : app.get_subcommands({})) place.words.push_back(verb->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) place.words.push_back("--" + name);
  }
  if (!path.empty()) place.words.insert(place.words.end(), shared.begin(), shared.end());
  places.push_back(place);
  for (const CLI::App* verb : app.get_subcommands({})) {
    collect(*verb, path.empty() ? verb->get_name() : path + ' ' + verb->get_name(), shared, places);
  }
}

std::vector<Place> collect_all(const CLI::App& app) {
  std::vector<std::string> shared;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name != "help" && name != "version") shared.push_back("--" + name);
    }
  }
  std::vector<Place> places;
  collect(app, "", shared, places);
  return places;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// A function that finds the path of verbs typed so far, and offers what may follow; zsh runs it by
// bashcompinit.
std::string bash_script(const std::vector<Place>& places) {
  std::string verbs;
  for (const Place& place : places) {
    if (!place.path.empty()) verbs += (verbs.empty() ? "'" : "|'") + place.path + "'";
  }
  std::string out =
      "_recharge() {\n"
      "  local path='' next word i words\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=${COMP_WORDS[i]}\n"
      "    next=${path:+$path }$word\n"
      "    case $next in\n"
      "      " +
      verbs +
      ") path=$next ;;\n"
      "    esac\n"
      "  done\n"
      "  case $path in\n";
  for (const Place& place : places) {
    out += "    '" + place.path + "') words='" + joined(place.words) + "' ;;\n";
  }
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "}\n"
      "complete -o default -F _recharge recharge\n";
  return out;
}

std::string fish_script(const std::vector<Place>& places) {
  std::string out =
      "function __recharge_at\n"
      "  set -l verbs\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    string match -q -- '-*' $word; or set -a verbs $word\n"
      "  end\n"
      "  set -l typed \"$verbs\"\n"
      "  test -z \"$argv[1]\"; and test -z \"$typed\"; and return 0\n"
      "  test -n \"$argv[1]\"; and string match -q -- \"$argv[1]*\" $typed\n"
      "end\n"
      "complete -c recharge -f\n";
  for (const Place& place : places) {
    out +=
        "complete -c recharge -n '__recharge_at \"" + place.path + "\"' -a '" + joined(place.words) + "'\n";
  }
  return out;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  const std::vector<Place> places = collect_all(app);
  if (shell == "fish") return fish_script(places);
  if (shell == "zsh") {
    return "#compdef recharge\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(places);
  }
  return bash_script(places);
}

}  // namespace recharge
