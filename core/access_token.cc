#include "core/access_token.h"

#include <simdjson.h>

#include <charconv>
#include <optional>

#include "core/base64.h"

namespace recharge {
namespace {

// Members that would have a verifier use something else than its own keys and rules.
constexpr std::string_view kForbidden[] = {"crit", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256",
                                           "b64",  "enc", "zip", "epk", "p2s", "p2c"};

const JsonMember* text_member(const JsonObject& object, std::string_view name) noexcept {
  const JsonMember* member = object.find(name);
  return member != nullptr && member->type == JsonType::string ? member : nullptr;
}

// A NumericDate; a fraction of a second is dropped.
std::optional<std::int64_t> read_date(const JsonMember& member) noexcept {
  if (member.type != JsonType::number) return std::nullopt;
  std::int64_t seconds = 0;
  const char* const end = member.text.data() + member.text.size();
  const auto parsed = std::from_chars(member.text.data(), end, seconds);
  constexpr std::int64_t kLatest = 253'402'300'799;  // the end of the year 9999
  if (parsed.ec != std::errc() || seconds < 0 || seconds > kLatest) return std::nullopt;
  const std::string_view rest(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (rest.empty()) return seconds;
  if (rest.front() != '.' || rest.find_first_not_of("0123456789", 1) != rest.npos) return std::nullopt;
  return seconds;
}

// A text, or an array of texts that holds it.
bool names_audience(const JsonMember* member, std::string_view audience) {
  if (member == nullptr) return false;
  if (member->type == JsonType::string) return member->text == audience;
  if (member->type != JsonType::nested || member->text.front() != '[') return false;
  simdjson::dom::parser parser;
  simdjson::dom::array elements;
  if (parser.parse(member->text.data(), member->text.size()).get(elements) != simdjson::SUCCESS) return false;
  bool found = false;
  for (const simdjson::dom::element element : elements) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) return false;
    found = found || text == audience;
  }
  return found;
}

// Scopes of others are left out.
ScopeSet read_scopes(std::string_view text) noexcept {
  ScopeSet scopes;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    if (const auto scope = parse_scope(text.substr(0, space))) scopes.add(*scope);
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return scopes;
}

void append_json(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.empty() ? "{\"" : ",\"").append(name).append("\":\"");
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out.append("\\u00").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
}

}  // namespace

const TokenKey* TokenKeys::find(std::string_view id) const noexcept {
  for (const TokenKey& key : keys) {
    if (key.id() == id) return &key;
  }
  return nullptr;
}

boost::system::error_code TokenVerifier::refuse(Errc error, std::string_view fault) noexcept {
  fault_ = fault;
  return error;
}

Result<const TokenKey*> TokenVerifier::read_header(std::string_view encoded) {
  const auto text = decode_base64url(encoded);
  if (!text) return refuse(Errc::invalid_text, "The token is malformed");
  const auto header = json_.read_copy(*text, Nested::allow);
  if (!header) return refuse(Errc::invalid_text, "The token is malformed");
  for (const std::string_view name : kForbidden) {
    if (header->find(name) != nullptr) return refuse(Errc::invalid_text, "The token's header is not allowed");
  }
  const JsonMember* id = text_member(*header, "kid");
  const JsonMember* algorithm = text_member(*header, "alg");
  if (id == nullptr || algorithm == nullptr) {
    return refuse(Errc::invalid_text, "The token does not name its key and algorithm");
  }
  const TokenKey* key = keys_->find(id->text);
  if (key == nullptr) return refuse(Errc::not_found, "The token's key is not known");
  if (algorithm->text != to_text(key->algorithm())) {
    return refuse(Errc::invalid_text, "The token's key has another algorithm");
  }
  return key;
}

Result<AccessClaims> TokenVerifier::read_claims(std::string_view encoded, std::int64_t now_s) {
  const auto text = decode_base64url(encoded);
  if (!text) return refuse(Errc::invalid_text, "The token is malformed");
  const auto object = json_.read_copy(*text, Nested::allow);
  if (!object) return refuse(Errc::invalid_text, "The token is malformed");
  AccessClaims claims;
  const JsonMember* expires = object->find("exp");
  const auto expires_at = expires != nullptr ? read_date(*expires) : std::nullopt;
  if (!expires_at) return refuse(Errc::invalid_text, "The token does not say when it expires");
  claims.expires_at_s = *expires_at;
  if (claims.has_expired(now_s)) return refuse(Errc::out_of_range, "The token has expired");
  if (const JsonMember* member = object->find("nbf")) {
    const auto not_before = read_date(*member);
    if (!not_before) return refuse(Errc::invalid_text, "The token is malformed");
    if (now_s + kTokenLeewayS < *not_before) return refuse(Errc::out_of_range, "The token is not valid yet");
  }
  const JsonMember* issuer = text_member(*object, "iss");
  if (issuer == nullptr || issuer->text != keys_->issuer) {
    return refuse(Errc::out_of_range, "The token is from another issuer");
  }
  if (!names_audience(object->find("aud"), keys_->audience)) {
    return refuse(Errc::out_of_range, "The token is for another audience");
  }
  // A claim that is there and cannot be read must not count as none: it would widen what the token allows.
  if (const JsonMember* member = object->find("account")) {
    if (member->type != JsonType::string || member->text.empty() || !claims.account.assign(member->text)) {
      return refuse(Errc::invalid_text, "The token's account is malformed");
    }
  }
  if (const JsonMember* member = object->find("sub")) {
    if (member->type != JsonType::string || member->text.size() > kMaxTokenSubjectBytes) {
      return refuse(Errc::invalid_text, "The token's subject is malformed");
    }
    claims.subject = member->text;
  }
  if (const JsonMember* scope = text_member(*object, "scope")) claims.scopes = read_scopes(scope->text);
  return claims;
}

// The signature is checked before anything of the claims is read.
Result<AccessClaims> TokenVerifier::verify(std::string_view token, std::int64_t now_s) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (token.size() > kMaxTokenBytes || second == token.npos || token.find('.', second + 1) != token.npos) {
    return refuse(Errc::invalid_text, "The token is malformed");
  }
  const auto key = read_header(token.substr(0, first));
  if (!key) return key.error();
  const auto signature = decode_base64url(token.substr(second + 1));
  if (!signature || !(*key)->verify(token.substr(0, second), *signature)) {
    return refuse(Errc::invalid_signature, "The token's signature is wrong");
  }
  return read_claims(token.substr(first + 1, second - first - 1), now_s);
}

Result<std::string> make_token(const TokenKey& key, const TokenRequest& request) {
  std::string header, claims;
  append_json(header, "alg", to_text(key.algorithm()));
  append_json(header, "typ", "JWT");
  append_json(header, "kid", key.id());
  append_json(claims, "iss", request.issuer);
  append_json(claims, "aud", request.audience);
  if (!request.subject.empty()) append_json(claims, "sub", request.subject);
  append_json(claims, "scope", request.scopes);
  if (!request.account.empty()) append_json(claims, "account", request.account);
  claims.append(",\"iat\":").append(std::to_string(request.issued_at_s));
  claims.append(",\"exp\":").append(std::to_string(request.expires_at_s));
  std::string token = encode_base64url(header + "}") + "." + encode_base64url(claims + "}");
  const auto signature = key.sign(token);
  if (!signature) return signature.error();
  return token.append(".").append(encode_base64url(*signature));
}

}  // namespace recharge
