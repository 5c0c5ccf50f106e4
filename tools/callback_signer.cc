#include "tools/callback_signer.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/canonical_text.h"
#include "core/hmac_sha256_key.h"
#include "core/json_object.h"
#include "core/key_ring.h"

namespace recharge {
namespace {

constexpr std::string_view kJsonSpace = " \t\r\n";

std::string hex(const Hmac& mac) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(mac.size() * 2);
  for (const std::uint8_t byte : mac) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

ToolError cannot_sign(const std::string& why) { return {ExitCode::failure, "cannot sign the body: " + why}; }

std::string named(std::string_view why, std::string_view member) {
  return std::string(why) + (member.empty() ? "" : " at \"" + std::string(member) + "\"");
}

}  // namespace

struct CallbackSigner::Keys {
  explicit Keys(const Secret& secret) : hmac(secret) {}
  HmacSha256Key hmac;
  JsonReader reader;
};

CallbackSigner::CallbackSigner(std::unique_ptr<Keys> keys) noexcept : keys_(std::move(keys)) {}
CallbackSigner::CallbackSigner(CallbackSigner&&) noexcept = default;
CallbackSigner& CallbackSigner::operator=(CallbackSigner&&) noexcept = default;
CallbackSigner::~CallbackSigner() = default;

ToolResult<CallbackSigner> CallbackSigner::from_text(std::string_view text) {
  const auto secret = parse_secret_file_text(text);
  if (!secret) return ToolError{ExitCode::bad_configuration, "the secret is empty"};
  if (is_public_key(*secret)) {
    return ToolError{ExitCode::bad_configuration, "the secret is a public key, which signs nothing"};
  }
  return CallbackSigner(std::make_unique<Keys>(*secret));
}

ToolResult<CallbackSigner> CallbackSigner::from_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxSecretBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return ToolError{ExitCode::bad_configuration, "cannot read the secret file " + path + ": " +
                                                      std::strerror(errno) + "; name it by --secret-file"};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxSecretBytes) {
    return ToolError{ExitCode::bad_configuration, "the secret file " + path + " is longer than 4096 bytes"};
  }
  auto signer = from_text(text);
  if (!signer) return ToolError{signer.error().code, signer.error().message + ": " + path};
  return signer;
}

std::string CallbackSigner::signature_of(std::string_view canonical) {
  return hex(keys_->hmac.sign({canonical}));
}

ToolResult<std::string> CallbackSigner::sign_body(std::string_view body) {
  const std::size_t start = body.find_first_not_of(kJsonSpace);
  if (start == std::string_view::npos) return cannot_sign("it is empty");
  body = body.substr(start, body.find_last_not_of(kJsonSpace) - start + 1);
  const auto object = keys_->reader.read_copy(body, Nested::refuse);
  if (!object) return cannot_sign(named(object.error().message(), keys_->reader.error_member()));
  if (object->find(kSignatureMember) != nullptr) return cannot_sign("it has a signature already");
  std::string canonical;
  std::string_view bad_member;
  if (const auto appended = append_canonical_text(*object, canonical, bad_member); !appended) {
    return cannot_sign(named(appended.error().message(), bad_member));
  }
  std::string_view members = body.substr(0, body.size() - 1);
  members = members.substr(0, members.find_last_not_of(kJsonSpace) + 1);
  std::string out(members);
  if (object->size() != 0) out += ',';
  return out.append("\"signature\":\"").append(signature_of(canonical)).append("\"}");
}

}  // namespace recharge
