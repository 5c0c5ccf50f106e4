#include "tools/ack_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace recharge {

ToolResult<AckLog> AckLog::open(const std::string& path) {
  AckLog log;
  log.fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (log.fd_ < 0) {
    return ToolError{ExitCode::bad_configuration, "cannot write " + path + ": " + std::strerror(errno)};
  }
  return log;
}

AckLog::AckLog(AckLog&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

AckLog& AckLog::operator=(AckLog&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

AckLog::~AckLog() {
  if (fd_ >= 0) ::close(fd_);
}

bool AckLog::add(char kind, const LoadOrder& order, const std::string& transaction_id) const {
  std::string line(1, kind);
  line.append(" ").append(order.order_id()).append(" ").append(transaction_id).append(" ");
  line.append(LoadOrders::amount_text(order))
      .append(" ")
      .append(LoadOrders::account_text(order.account))
      .append("\n");
  return ::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace recharge
