// Purpose: a small HTTP server for the simulated gateways: loopback or wherever it is told to listen, one
// thread. Owner: whoever made it; the handler is called on the server's own thread, one request at a time.
// Lifetime: listens from listen() until it is destroyed, within its handler. Errors: ExitCode::failure where
// the address cannot be listened at. Limits: bodies of 1 MiB.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tools/simulated_apis.h"
#include "tools/tool_error.h"

namespace recharge {

class SimulatorServer {
 public:
  using Handler = std::function<ApiReply(const ApiRequest& request)>;

  // address: "127.0.0.1:9090"; port 0 picks a free one.
  static ToolResult<std::unique_ptr<SimulatorServer>> listen(const std::string& address, Handler handler);
  ~SimulatorServer();
  SimulatorServer(const SimulatorServer&) = delete;
  SimulatorServer& operator=(const SimulatorServer&) = delete;

  std::string url() const;  // http://127.0.0.1:9090

 private:
  struct Impl;
  explicit SimulatorServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace recharge
