// Purpose: what a server's page for Prometheus says, for the verbs that judge it. Lifetime: a value.
// Source: Prometheus text format 0.0.4, as recharged writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace recharge {

class ServerMetrics {
 public:
  explicit ServerMetrics(std::string_view page);

  // The sum over all labels; none: there is no such metric.
  std::optional<double> sum(std::string_view name) const;
  // Of a histogram: the bound of the bucket that this share of the values lies in, 1e9 beyond the last.
  std::optional<double> quantile(std::string_view name, double share) const;

 private:
  struct Sample {
    std::string name;
    std::string labels;
    double value;
  };
  std::vector<Sample> samples_;
};

}  // namespace recharge
