// Purpose: a log of what was sent and what was acknowledged, for tests that kill the server and look
// afterwards
//   whether anything acknowledged is gone. One line an event: "S order_id transaction_id amount account"
//   before a callback is sent, "A ..." after its 200. Each line is one write(2) to a file opened for
//   appending, so that it is complete also when this process is killed. Owner: the run; loops on several
//   threads may add lines.
#pragma once

#include <string>

#include "tools/load_orders.h"
#include "tools/tool_error.h"

namespace recharge {

class AckLog {
 public:
  AckLog() = default;  // logs nothing
  static ToolResult<AckLog> open(const std::string& path);
  AckLog(AckLog&& other) noexcept;
  AckLog& operator=(AckLog&& other) noexcept;
  ~AckLog();

  bool active() const noexcept { return fd_ >= 0; }
  // False where the line could not be written: then the test that relies on the log has no result.
  [[nodiscard]] bool add(char kind, const LoadOrder& order, const std::string& transaction_id) const;

 private:
  int fd_ = -1;
};

}  // namespace recharge
