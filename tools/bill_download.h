// Purpose: the bill of a day, fetched from its gateway. The running recharged asks the gateway with its keys
// and verifies the answer; the file itself is fetched here, and streamed to the disk. Owner: one thread.
// Lifetime: of the value, which removes its file. Errors: ToolError; nothing is left of a file that did not
// arrive whole.
#pragma once

#include <string>

#include "core/time.h"
#include "tools/tool.h"
#include "tools/tool_error.h"

namespace recharge {

struct BillOrder {
  std::string gateway;  // its name in the settings
  std::string date;     // YYYY-MM-DD
  Time from;
  Time until;
  std::string scratch_dir;
};

class DownloadedBill {
 public:
  DownloadedBill(std::string path, std::string format, std::string sha1)
      : path_(std::move(path)), format_(std::move(format)), sha1_(std::move(sha1)) {}
  ~DownloadedBill();
  DownloadedBill(DownloadedBill&& other) noexcept;
  DownloadedBill& operator=(DownloadedBill&&) = delete;

  void describe(std::string format, std::string sha1) {
    format_ = std::move(format);
    sha1_ = std::move(sha1);
  }
  const std::string& path() const noexcept { return path_; }
  const std::string& format() const noexcept { return format_; }  // alipay, wechat, stripe
  const std::string& sha1() const noexcept { return sha1_; }      // empty: the gateway does not say

 private:
  std::string path_;
  std::string format_;
  std::string sha1_;
};

ToolResult<DownloadedBill> download_bill(const Tool& tool, const BillOrder& order);

}  // namespace recharge
