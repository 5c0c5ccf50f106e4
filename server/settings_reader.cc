#include "server/settings_reader.h"

#include <sodium.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace recharge {
namespace {

constexpr std::string_view kPrefix = "RECHARGED_";

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

const toml::node* walk(const toml::table& document, std::string_view path) {
  const toml::node* node = &document;
  for (const std::string& part : split(path, ".")) {
    const toml::table* table = node->as_table();
    node = table == nullptr ? nullptr : table->get(part);
    if (node == nullptr) return nullptr;
  }
  return node;
}

void wipe(toml::node& node) noexcept {
  if (auto* text = node.as_string()) {
    sodium_memzero(text->get().data(), text->get().size());
  } else if (auto* array = node.as_array()) {
    for (toml::node& element : *array) wipe(element);
  } else if (auto* table = node.as_table()) {
    for (auto&& [key, value] : *table) wipe(value);
  }
}

}  // namespace

SettingsReader::SettingsReader(toml::table document, std::string file, const Environment& environment)
    : document_(std::move(document)), file_(std::move(file)) {
  for (const auto& [variable, value] : environment) {
    if (variable.starts_with(kPrefix) && variable.find("__") != std::string::npos) lay_over(variable, value);
  }
  const auto credentials = environment.find("CREDENTIALS_DIRECTORY");
  if (credentials != environment.end()) credentials_ = credentials->second;
}

SettingsReader::~SettingsReader() { wipe(document_); }

void SettingsReader::lay_over(const std::string& variable, const std::string& value) {
  std::string lower = variable.substr(kPrefix.size());
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::vector<std::string> parts = split(lower, "__");
  toml::table* table = &document_;
  std::string path;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) throw SettingsError(variable + ": not the name of a setting");
    path += (i == 0 ? "" : ".") + parts[i];
    if (i + 1 == parts.size()) break;
    if (!table->contains(parts[i])) table->insert(parts[i], toml::table());
    table = table->get(parts[i])->as_table();
    if (table == nullptr) throw SettingsError(variable + ": not the name of a setting");
  }
  variables_[path] = variable;
  if (value.starts_with("[")) {
    try {
      toml::table parsed = toml::parse("value = " + value);
      table->insert_or_assign(parts.back(), std::move(*parsed["value"].as_array()));
    } catch (const toml::parse_error& error) {
      throw SettingsError(variable + ": " + std::string(error.description()));
    }
  } else {
    table->insert_or_assign(parts.back(), value);
  }
}

const toml::table* SettingsReader::section(std::string_view path) const {
  const toml::node* node = walk(document_, path);
  if (node != nullptr && !node->is_table()) refuse(std::string(path), "must be a section");
  return node == nullptr ? nullptr : node->as_table();
}

std::vector<std::string> SettingsReader::names_in(std::string_view path) const {
  std::vector<std::string> names;
  if (const toml::table* table = section(path)) {
    for (const auto& [key, value] : *table) names.emplace_back(key.str());
  }
  return names;
}

bool SettingsReader::has(const std::string& path) const { return walk(document_, path) != nullptr; }

std::vector<SettingsReader::Given> SettingsReader::asked_for() const {
  std::vector<Given> all;
  for (const std::string& path : known_) {
    const toml::node* node = walk(document_, path);
    std::string origin = "default";
    if (const auto variable = variables_.find(path); variable != variables_.end()) {
      origin = variable->second;
    } else if (node != nullptr) {
      const auto at = node->source().begin;
      origin = file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    }
    all.push_back({path, node, std::move(origin)});
  }
  return all;
}

const toml::node* SettingsReader::find(const std::string& path) {
  known_.insert(path);
  return walk(document_, path);
}

void SettingsReader::refuse(const std::string& path, const std::string& what) const {
  throw SettingsError(place_of(path) + what);
}

// A setting that is missing is named at the section that it belongs to.
std::string SettingsReader::place_of(const std::string& path) const {
  const auto variable = variables_.find(path);
  if (variable != variables_.end()) return variable->second + ": ";
  for (std::string named = path; !named.empty(); named.resize(std::min(named.rfind('.') + 1, named.size()))) {
    if (named.back() == '.') named.pop_back();
    const toml::node* node = walk(document_, named);
    if (node != nullptr && node->source().begin) {
      const auto at = node->source().begin;
      return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " + path + ": ";
    }
    if (named.find('.') == std::string::npos) break;
  }
  return (file_.empty() ? "settings" : file_) + ": " + path + ": ";
}

std::optional<std::string> SettingsReader::text(const std::string& path) {
  const toml::node* node = find(path);
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) refuse(path, "must be a text");
  return **node->as_string();
}

std::optional<std::int64_t> SettingsReader::integer(const std::string& path, std::int64_t least,
                                                    std::int64_t most) {
  const toml::node* node = find(path);
  if (node == nullptr) return std::nullopt;
  std::int64_t value = 0;
  if (const auto* number = node->as_integer()) {
    value = **number;
  } else if (node->is_string() && from_environment(path)) {
    const std::string& digits = **node->as_string();
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
      refuse(path, "must be an integer");
  } else {
    refuse(path, "must be an integer");
  }
  if (value < least || value > most) {
    refuse(path, "must be from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

std::optional<double> SettingsReader::fraction(const std::string& path) {
  const toml::node* node = find(path);
  if (node == nullptr) return std::nullopt;
  double value = -1;
  if (const auto* number = node->as_floating_point()) {
    value = **number;
  } else if (const auto* whole = node->as_integer()) {
    value = static_cast<double>(**whole);
  } else if (node->is_string() && from_environment(path)) {
    const std::string& digits = **node->as_string();
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) value = -1;
  }
  if (!(value >= 0 && value <= 1)) refuse(path, "must be a number from 0 to 1");
  return value;
}

std::optional<bool> SettingsReader::boolean(const std::string& path) {
  const toml::node* node = find(path);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_boolean()) return **value;
  if (node->is_string() && from_environment(path)) {
    const std::string& word = **node->as_string();
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
  }
  refuse(path, "must be true or false");
}

std::optional<std::vector<std::string>> SettingsReader::texts(const std::string& path) {
  const toml::node* node = find(path);
  if (node == nullptr) return std::nullopt;
  if (node->is_string() && from_environment(path)) {
    const std::string& list = **node->as_string();
    return list.empty() ? std::vector<std::string>() : split(list, ",");
  }
  if (!node->is_array()) refuse(path, "must be an array of texts");
  std::vector<std::string> result;
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_string()) refuse(path, "must be an array of texts");
    result.push_back(**element.as_string());
  }
  return result;
}

std::vector<AddressRange> SettingsReader::ranges(const std::string& path) {
  std::vector<AddressRange> found;
  for (const std::string& text : texts(path).value_or(std::vector<std::string>())) {
    const auto range = AddressRange::parse(text);
    if (!range) refuse(path, text + " is not an address or a CIDR range");
    found.push_back(*range);
  }
  return found;
}

std::filesystem::path SettingsReader::file_path(std::string_view text) const {
  for (const std::string_view start : {"$CREDENTIALS_DIRECTORY/", "${CREDENTIALS_DIRECTORY}/"}) {
    if (!text.starts_with(start)) continue;
    if (credentials_.empty()) {
      throw SettingsError((file_.empty() ? "settings" : file_) + ": " + std::string(text) +
                          ": there are no credentials: systemd gives them by LoadCredential=");
    }
    return std::filesystem::path(credentials_) / text.substr(start.size());
  }
  const std::filesystem::path path(text);
  return path.is_absolute() || file_.empty() ? path : std::filesystem::path(file_).parent_path() / path;
}

SecretSource SettingsReader::secret(const toml::table& entry, const std::string& path) {
  SecretSource source;
  for (const auto& [key, value] : entry) {
    if (!value.is_string()) refuse(path, std::string(key.str()) + " must be a text");
    const std::string& text = **value.as_string();
    if (key.str() == "id") {
      source.id = text;
    } else if (key.str() == "secret") {
      if (text.empty()) refuse(path, "a secret must not be empty");
      source.text = SecretText(text);
    } else if (key.str() == "secret_file") {
      if (text.empty()) refuse(path, "secret_file must not be empty");
      source.file = file_path(text);
      source.where = place_of(path);
    } else {
      refuse(path, "unknown key " + std::string(key.str()));
    }
  }
  if (source.text.empty() == source.file.empty()) refuse(path, "each needs either secret or secret_file");
  if (source.id.size() > KeyId::kCapacity) refuse(path, "id is longer than 32 bytes");
  return source;
}

std::vector<SecretSource> SettingsReader::secrets(const std::string& path) {
  std::vector<SecretSource> sources;
  const toml::node* node = find(path);
  if (node == nullptr) return sources;
  if (!node->is_array()) refuse(path, "must be an array of {id, secret} or {id, secret_file}");
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) refuse(path, "must be an array of {id, secret} or {id, secret_file}");
    SecretSource source = secret(*element.as_table(), path);
    if (source.id.empty()) source.id = std::to_string(sources.size() + 1);
    const bool taken =
        std::any_of(sources.begin(), sources.end(), [&](const auto& s) { return s.id == source.id; });
    if (taken) refuse(path, "id " + source.id + " is there twice");
    sources.push_back(std::move(source));
  }
  return sources;
}

SecretSource SettingsReader::source_of(const std::string& file, const std::string& path) const {
  if (file.empty()) refuse(path, "the name of a file must not be empty");
  SecretSource source;
  source.file = file_path(file);
  source.where = place_of(path);
  return source;
}

std::optional<SecretSource> SettingsReader::file(const std::string& path) {
  const auto name = text(path);
  return name ? std::optional(source_of(*name, path)) : std::nullopt;
}

std::vector<SecretSource> SettingsReader::files(const std::string& path) {
  std::vector<SecretSource> sources;
  for (const std::string& name : texts(path).value_or(std::vector<std::string>())) {
    sources.push_back(source_of(name, path));
    sources.back().id = std::to_string(sources.size());
  }
  return sources;
}

std::vector<SecretSource> SettingsReader::named_files(const std::string& path) {
  constexpr const char* kForm = "must be an array of {id, file}";
  std::vector<SecretSource> sources;
  const toml::node* node = find(path);
  if (node == nullptr) return sources;
  if (!node->is_array()) refuse(path, kForm);
  for (const toml::node& element : *node->as_array()) {
    const toml::table* entry = element.as_table();
    if (entry == nullptr || entry->size() != 2 || !(*entry)["id"].is_string() ||
        !(*entry)["file"].is_string())
      refuse(path, kForm);
    sources.push_back(source_of(**(*entry)["file"].as_string(), path));
    sources.back().id = **(*entry)["id"].as_string();
    if (sources.back().id.empty()) refuse(path, "id must not be empty");
    const auto same = [&](const SecretSource& s) { return s.id == sources.back().id; };
    if (std::count_if(sources.begin(), sources.end(), same) > 1)
      refuse(path, "id " + sources.back().id + " is there twice");
  }
  return sources;
}

std::vector<SettingsReader::Entry> SettingsReader::entries(const std::string& path) {
  std::vector<Entry> entries;
  const toml::node* node = find(path);
  if (node == nullptr) return entries;
  if (!node->is_array()) refuse(path, "must be an array of tables");
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) refuse(path, "must be an array of tables");
    Entry& entry = entries.emplace_back();
    for (const auto& [key, value] : *element.as_table()) {
      if (!value.is_string()) refuse(path, std::string(key.str()) + " must be a text");
      entry[std::string(key.str())] = **value.as_string();
    }
  }
  return entries;
}

void SettingsReader::refuse_unknown() const { refuse_unknown_in(document_, ""); }

void SettingsReader::refuse_unknown_in(const toml::table& table, const std::string& prefix) const {
  for (const auto& [key, value] : table) {
    const std::string path = prefix + std::string(key.str());
    if (known_.contains(path)) continue;
    const auto below = known_.lower_bound(path + ".");
    const bool is_section = below != known_.end() && below->starts_with(path + ".");
    if (!is_section || !value.is_table()) refuse(path, is_section ? "must be a section" : "unknown key");
    refuse_unknown_in(*value.as_table(), path + ".");
  }
}

}  // namespace recharge
