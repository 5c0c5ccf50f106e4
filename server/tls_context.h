// Purpose: what every encrypted connection of a time shares: certificate, key, the rules of the handshake,
// and the keys of its session tickets. Lifetime: immutable; a reload makes another one, and connections keep
// the one that they began with. Any thread. Errors: SettingsError, which names the setting, the file and what
// is wrong. Source: RFC 5246, RFC 8446, RFC 5077; Mozilla's "intermediate" list of ciphers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/settings.h"

struct ssl_ctx_st;

namespace recharge {

class TlsContext {
 public:
  explicit TlsContext(const TlsSettings& settings);

  ssl_ctx_st* get() const noexcept { return context_.get(); }
  std::int64_t not_after_s() const noexcept {
    return not_after_s_;
  }  // the certificate's end, of the wall clock
  // Empty: the certificate is good now. Else what is the matter with its time.
  std::string complaint(std::int64_t now_s) const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::string file_;
  std::int64_t not_before_s_ = 0;
  std::int64_t not_after_s_ = 0;
};

// Null: the settings have no certificate. Throws SettingsError.
std::shared_ptr<const TlsContext> load_tls(const TlsSettings& settings);

}  // namespace recharge
