#include "tools/wrk_files.h"

#include <filesystem>
#include <fstream>

#include "tools/wrk_script.h"

namespace recharge {
namespace {

constexpr const char* kBodiesFile = "callbacks.txt";
constexpr const char* kScriptFile = "callback.lua";

ToolError cannot_write(const std::filesystem::path& path) {
  return {ExitCode::bad_configuration, "cannot write " + path.string()};
}

}  // namespace

ToolResult<std::size_t> write_wrk_files(const std::string& folder,
                                        const std::vector<PreparedCallbacks>& prepared) {
  const std::filesystem::path base(folder);
  std::error_code error;
  std::filesystem::create_directories(base, error);
  if (error) return cannot_write(base);
  std::ofstream script(base / kScriptFile, std::ios::binary | std::ios::trunc);
  script << kWrkScript;
  if (!script.flush()) return cannot_write(base / kScriptFile);
  std::ofstream bodies(base / kBodiesFile, std::ios::binary | std::ios::trunc);
  std::size_t count = 0;
  for (const PreparedCallbacks& share : prepared) {
    for (std::size_t i = 0; i < share.size(); ++i, ++count) bodies << share.body(i) << '\n';
  }
  if (!bodies.flush()) return cannot_write(base / kBodiesFile);
  return count;
}

std::string wrk_command(const std::string& server, const LoadOptions& options) {
  const std::string threads = std::to_string(options.threads);
  return "wrk -t" + threads + " -c" + std::to_string(options.connections) + " -d10s -s " + options.emit_wrk +
         "/" + kScriptFile + " " + server + " -- " + options.emit_wrk + "/" + kBodiesFile + " " + threads +
         "\n";
}

}  // namespace recharge
