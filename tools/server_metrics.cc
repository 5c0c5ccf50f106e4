#include "tools/server_metrics.h"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace recharge {

ServerMetrics::ServerMetrics(std::string_view page) {
  while (!page.empty()) {
    const std::size_t end = std::min(page.find('\n'), page.size());
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(std::min(end + 1, page.size()));
    const std::size_t space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string_view::npos) continue;
    const std::size_t brace = std::min(line.find('{'), space);
    Sample sample;
    sample.name = line.substr(0, brace);
    sample.labels = line.substr(brace, space - brace);
    sample.value = std::strtod(std::string(line.substr(space + 1)).c_str(), nullptr);
    samples_.push_back(std::move(sample));
  }
}

std::optional<double> ServerMetrics::sum(std::string_view name) const {
  std::optional<double> total;
  for (const Sample& sample : samples_) {
    if (sample.name == name) total = total.value_or(0) + sample.value;
  }
  return total;
}

std::optional<double> ServerMetrics::quantile(std::string_view name, double share) const {
  constexpr double kBeyond = 1e9;
  const std::string bucket = std::string(name) + "_bucket";
  std::map<double, double> counts;  // cumulative, by bound
  for (const Sample& sample : samples_) {
    if (sample.name != bucket) continue;
    const std::size_t at = sample.labels.find("le=\"");
    if (at == std::string::npos) continue;
    const std::string bound = sample.labels.substr(at + 4, sample.labels.find('"', at + 4) - at - 4);
    counts[bound == "+Inf" ? kBeyond : std::strtod(bound.c_str(), nullptr)] += sample.value;
  }
  if (counts.empty() || counts.rbegin()->second == 0) return std::nullopt;
  const double wanted = share * counts.rbegin()->second;
  const auto found =
      std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.second >= wanted; });
  return found->first;
}

}  // namespace recharge
