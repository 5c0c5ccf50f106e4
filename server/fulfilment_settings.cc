#include "server/fulfilment_settings.h"

#include <algorithm>

#include "server/metrics.h"
#include "server/settings_reader.h"

namespace recharge {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

bool is_supplier_name(std::string_view name) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= SupplierName::kCapacity &&
         std::all_of(name.begin(), name.end(), fits);
}

SupplierSettings read_supplier(SettingsReader& reader, const std::string& name) {
  const std::string path = "supplier." + name;
  SupplierSettings supplier;
  supplier.name = name;
  if (!is_supplier_name(name)) reader.refuse(path, "a name is 1 to 32 of a-z, 0-9, _ and -");
  if (auto url = reader.text(path + ".url")) supplier.url = *url;
  if (!supplier.url.starts_with("https://") && !supplier.url.starts_with("http://"))
    reader.refuse(path + ".url", "must be an http or https URL");
  if (supplier.url.find_first_of(" \t\r\n#?") != std::string::npos)
    reader.refuse(path + ".url", "must have no spaces, no query and no fragment");
  if (supplier.url.ends_with('/')) supplier.url.pop_back();
  auto secret = reader.file(path + ".secret_file");
  if (!secret) reader.refuse(path, "secret_file is missing");
  supplier.secret = std::move(*secret);
  if (auto ms = reader.integer(path + ".timeout_ms", 10, 120'000)) supplier.timeout_ms = *ms;
  if (auto many = reader.integer(path + ".breaker_failures", 1, 1000))
    supplier.breaker_failures = static_cast<unsigned>(*many);
  if (auto ms = reader.integer(path + ".breaker_pause_ms", 10, kDayMs)) supplier.breaker_pause_ms = *ms;
  return supplier;
}

}  // namespace

FulfilmentSettings read_fulfilment(SettingsReader& reader) {
  FulfilmentSettings fulfilment;
  if (const auto text = reader.text("fulfilment.kind")) {
    const auto kind = parse_fulfilment(*text);
    if (!kind) reader.refuse("fulfilment.kind", "must be wallet, http or amqp");
    fulfilment.kind = *kind;
  }
  if (auto ms = reader.integer("fulfilment.deadline_ms", 1, 365 * kDayMs)) fulfilment.deadline_ms = *ms;
  if (auto ms = reader.integer("fulfilment.retry_first_ms", 1, kDayMs)) fulfilment.retry_first_ms = *ms;
  if (auto ms = reader.integer("fulfilment.retry_most_ms", 1, kDayMs)) fulfilment.retry_most_ms = *ms;
  if (fulfilment.retry_most_ms < fulfilment.retry_first_ms)
    reader.refuse("fulfilment.retry_most_ms", "must not be less than fulfilment.retry_first_ms");
  if (auto queue = reader.text("fulfilment.results_queue")) fulfilment.results_queue = *queue;
  if (fulfilment.results_queue.empty() || fulfilment.results_queue.size() > 127)
    reader.refuse("fulfilment.results_queue", "must be 1 to 127 bytes");
  std::vector<std::string> order = reader.names_in("supplier");
  for (const std::string& name : order) fulfilment.suppliers.push_back(read_supplier(reader, name));
  if (const auto names = reader.texts("fulfilment.suppliers")) {
    if (names->size() != order.size() || !std::is_permutation(names->begin(), names->end(), order.begin()))
      reader.refuse("fulfilment.suppliers", "must name each [supplier.NAME] once, the preferred one first");
    std::sort(fulfilment.suppliers.begin(), fulfilment.suppliers.end(), [&](const auto& a, const auto& b) {
      return std::find(names->begin(), names->end(), a.name) <
             std::find(names->begin(), names->end(), b.name);
    });
  } else if (order.size() > 1) {
    reader.refuse("fulfilment", "suppliers is missing: their names, the preferred one first");
  }
  if (order.size() > kMaxSuppliers) reader.refuse("supplier", "at most 16 suppliers");
  const bool http = fulfilment.kind == Fulfilment::http;
  if (http && order.empty()) reader.refuse("fulfilment.kind", "http needs a [supplier.NAME]");
  return fulfilment;
}

}  // namespace recharge
