// The headers of Standard Webhooks are accepted exactly where an entry of the list is the right signature.
#include <algorithm>
#include <sstream>

#include "core/signature_verifier.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"

namespace recharge {
namespace {

std::array<std::string, 3> right_entries(const std::string& message) {
  static const Ed25519Pair pair = fuzz_pair();
  std::array<unsigned char, crypto_sign_BYTES> signature;
  crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(message.data()),
                       message.size(), pair.secret.data());
  const auto first = hmac_of(kFuzzSecrets[0], message);
  const auto second = hmac_of(kFuzzSecondKey, message);
  return {"v1," + base64_of(first.data(), first.size()), "v1," + base64_of(second.data(), second.size()),
          "v1a," + base64_of(signature.data(), signature.size())};
}

std::vector<std::string> entries_of(const std::string& list) {
  std::vector<std::string> entries;
  std::istringstream in(list);
  for (std::string entry; std::getline(in, entry, ' ');) {
    if (!entry.empty()) entries.push_back(entry);
  }
  return entries;
}

bool is_time(std::string_view text) {
  return !text.empty() && text.size() <= 12 && text.find_first_not_of("0123456789") == text.npos;
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static SignatureVerifier verifier(fuzz_ring());
  FuzzedDataProvider input(bytes.data(), bytes.size());
  const std::string id = input.ConsumeRandomLengthString(40);
  const std::string time = input.ConsumeBool() ? "1700000000" : input.ConsumeRandomLengthString(14);
  const std::string body = input.ConsumeRandomLengthString(200);
  const std::array<std::string, 3> right = right_entries(id + "." + time + "." + body);
  const std::string list = with_marks_replaced(input.ConsumeRemainingBytesAsString(), right);

  const std::vector<std::string> entries = entries_of(list);
  const auto has = [&](const std::string& entry) {
    return std::count(entries.begin(), entries.end(), entry) > 0;
  };
  const bool any = has(right[0]) || has(right[1]) || has(right[2]);
  const auto verified = verifier.verify_standard(id, time, body, list);
  if (!any || id.empty() || !is_time(time) || entries.size() > SignatureVerifier::kMaxSignatures) {
    RECHARGE_CHECK(!verified && verified.error() == make_error_code(Errc::invalid_signature));
    return;
  }
  if (!verified) {  // only for too many of the dear kind
    std::size_t dear = 0;
    for (const std::string& entry : entries) dear += entry.starts_with("v1a,") ? 1 : 0;
    RECHARGE_CHECK(dear > SignatureVerifier::kMaxEd25519Signatures);
    return;
  }
  RECHARGE_CHECK(*verified == (has(right[0]) ? "hmac0" : has(right[1]) ? "hmac1" : "ed25519"));
}

}  // namespace recharge
