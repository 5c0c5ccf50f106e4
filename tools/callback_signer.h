// Purpose: signs callbacks the way a gateway does: HMAC-SHA256 over the canonical text of the body's fields,
// as
//   server/README.md describes it. Owner: one thread. The secret is never printed.
// Errors: ExitCode::bad_configuration where the secret's file cannot be used; ExitCode::failure where a body
//   cannot be signed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/tool_error.h"

namespace recharge {

class CallbackSigner {
 public:
  static constexpr std::size_t kMaxSecretBytes = 4096;

  // The whole file is the secret, without its final newline.
  static ToolResult<CallbackSigner> from_file(const std::string& path);
  static ToolResult<CallbackSigner> from_text(std::string_view secret);

  CallbackSigner(CallbackSigner&&) noexcept;
  CallbackSigner& operator=(CallbackSigner&&) noexcept;
  ~CallbackSigner();

  // 64 lower-case hex digits over a canonical text.
  std::string signature_of(std::string_view canonical);

  // The same object with the member `signature` added at its end; every other byte stays, except white space
  // around the object. Refuses what is no flat JSON object, and a body that is signed already.
  ToolResult<std::string> sign_body(std::string_view body);

 private:
  struct Keys;
  explicit CallbackSigner(std::unique_ptr<Keys> keys) noexcept;
  std::unique_ptr<Keys> keys_;
};

}  // namespace recharge
