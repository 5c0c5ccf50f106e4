// Purpose: reads typed values out of a TOML document over which the environment was laid, and remembers which
// keys were asked for, so that those that nobody knows are errors. Owner: the thread that loads settings.
// Errors: SettingsError, naming file:line:column or the variable.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/settings.h"

namespace recharge {

class SettingsReader {
 public:
  // Lays RECHARGED_SECTION__KEY=value over the file's values.
  SettingsReader(toml::table document, std::string file, const Environment& environment);
  ~SettingsReader();  // wipes the texts of the document: some are secrets
  SettingsReader(SettingsReader&&) = default;
  SettingsReader& operator=(SettingsReader&&) = delete;

  const toml::table* section(std::string_view path) const;  // dotted; null where it is not there
  std::vector<std::string> names_in(std::string_view path) const;

  std::optional<std::string> text(const std::string& path);
  std::optional<std::int64_t> integer(const std::string& path, std::int64_t least, std::int64_t most);
  std::optional<double> fraction(const std::string& path);  // 0 to 1
  std::optional<bool> boolean(const std::string& path);
  std::optional<std::vector<std::string>> texts(const std::string& path);
  std::vector<SecretSource> secrets(const std::string& path);      // an array of {id, secret | secret_file}
  std::optional<SecretSource> file(const std::string& path);       // the path of a file
  std::vector<SecretSource> files(const std::string& path);        // an array of such; ids count from 1
  std::vector<SecretSource> named_files(const std::string& path);  // an array of {id, file}
  std::vector<AddressRange> ranges(const std::string& path);  // addresses and CIDR ranges; may be missing
  // An array of tables whose values are all texts.
  using Entry = std::map<std::string, std::string>;
  std::vector<Entry> entries(const std::string& path);
  // A file of a secret, relative to the settings file. One that begins with $CREDENTIALS_DIRECTORY/ is a
  // credential of systemd (systemd.exec(5), LoadCredential=).
  std::filesystem::path file_path(std::string_view text) const;

  bool has(const std::string& path) const;
  // Every setting that was asked for, with its value (null: nobody gave one) and who gave it.
  struct Given {
    std::string path;
    const toml::node* node;
    std::string origin;
  };
  std::vector<Given> asked_for() const;
  void refuse_unknown() const;
  std::string place_of(const std::string& path) const;  // "FILE:LINE:COLUMN: PATH: "
  [[noreturn]] void refuse(const std::string& path, const std::string& what) const;

 private:
  const toml::node* find(const std::string& path);
  void lay_over(const std::string& variable, const std::string& value);
  void refuse_unknown_in(const toml::table& table, const std::string& prefix) const;
  bool from_environment(const std::string& path) const { return variables_.contains(path); }
  SecretSource secret(const toml::table& entry, const std::string& path);
  SecretSource source_of(const std::string& file, const std::string& path) const;

  toml::table document_;
  std::string file_;
  std::map<std::string, std::string> variables_;  // path -> variable
  std::set<std::string> known_;
  std::string credentials_;  // the folder of systemd's credentials; empty: there is none
};

// Of the file that the flags name, and the environment. Throws SettingsError.
SettingsReader open_settings(const FlagSettings& flags, const Environment& environment);
// Reads and checks all of them.
Settings read_settings(SettingsReader& reader, const FlagSettings& flags);

}  // namespace recharge
