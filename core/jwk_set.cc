// Keys out of a JWK set.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <simdjson.h>

#include <algorithm>

#include "core/base64.h"
#include "core/json_object.h"
#include "core/token_key_material.h"

namespace recharge {
namespace {

struct FreeBuilder {
  void operator()(OSSL_PARAM_BLD* builder) const noexcept { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const noexcept { OSSL_PARAM_free(parameters); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(BIGNUM* number) const noexcept { BN_free(number); }
};
using Builder = std::unique_ptr<OSSL_PARAM_BLD, FreeBuilder>;
using Parameters = std::unique_ptr<OSSL_PARAM, FreeBuilder>;
using Context = std::unique_ptr<EVP_PKEY_CTX, FreeBuilder>;
using Number = std::unique_ptr<BIGNUM, FreeBuilder>;

const unsigned char* octets(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number to_number(std::string_view bytes) {
  return Number(BN_bin2bn(octets(bytes), static_cast<int>(bytes.size()), nullptr));
}

Pkey from_parameters(const char* kind, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* made = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  Pkey key(made);
  const Context check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!check || EVP_PKEY_public_check_quick(check.get()) != 1) return nullptr;
  return key;
}

Pkey make_rsa(std::string_view modulus, std::string_view exponent) {
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number n = to_number(modulus);
  const Number e = to_number(exponent);
  if (!builder || !n || !e || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return from_parameters("RSA", builder.get());
}

Pkey make_p256(std::string_view x, std::string_view y) {
  if (x.size() != 32 || y.size() != 32) return nullptr;
  const std::string point = std::string("\x04").append(x).append(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return nullptr;
  }
  return from_parameters("EC", builder.get());
}

// The algorithm that a key of this kind is for; none: not one of ours.
std::optional<TokenAlgorithm> algorithm_of_kind(std::string_view kind, std::string_view curve) noexcept {
  if (kind == "oct") return TokenAlgorithm::hs256;
  if (kind == "RSA") return TokenAlgorithm::rs256;
  if (kind == "EC" && curve == "P-256") return TokenAlgorithm::es256;
  if (kind == "OKP" && curve == "Ed25519") return TokenAlgorithm::eddsa;
  return std::nullopt;
}

}  // namespace

class JwkReader {
 public:
  Result<std::vector<TokenKey>> read(std::string_view json) {
    const auto set = outer_.read_copy(json, Nested::allow);
    if (!set) return set.error();
    const JsonMember* keys = set->find("keys");
    simdjson::dom::array elements;
    if (keys == nullptr ||
        parser_.parse(keys->text.data(), keys->text.size()).get(elements) != simdjson::SUCCESS) {
      return Errc::invalid_text;
    }
    std::vector<TokenKey> found;
    for (const simdjson::dom::element element : elements) {
      const std::string text = simdjson::minify(element);
      const auto object = inner_.read_copy(text, Nested::allow);
      if (!object) return object.error();
      if (const auto added = add(*object, found); !added) return added.error();
    }
    if (found.empty()) return Errc::not_found;
    return found;
  }

 private:
  static std::string_view text(const JsonObject& object, std::string_view name) noexcept {
    const JsonMember* member = object.find(name);
    return member != nullptr && member->type == JsonType::string ? member->text : std::string_view();
  }
  static std::string bytes(const JsonObject& object, std::string_view name) {
    const auto decoded = decode_base64url(text(object, name));
    return decoded ? *decoded : std::string();
  }

  static Result<void> add(const JsonObject& object, std::vector<TokenKey>& found) {
    const auto algorithm = algorithm_of_kind(text(object, "kty"), text(object, "crv"));
    const std::string_view named = text(object, "alg");
    const std::string_view use = text(object, "use");
    if (!algorithm || (!named.empty() && named != to_text(*algorithm)) || (!use.empty() && use != "sig")) {
      return {};
    }
    const std::string id(text(object, "kid"));
    if (id.empty() || id.size() > kMaxKeyIdBytes) return Errc::invalid_text;
    if (std::any_of(found.begin(), found.end(), [&](const TokenKey& key) { return key.id() == id; })) {
      return Errc::duplicate_name;
    }
    auto material = make(object, *algorithm);
    ERR_clear_error();
    if (!material) return material.error();
    found.push_back(TokenKey(id, *algorithm, std::move(*material)));
    return {};
  }

  static Result<std::shared_ptr<TokenKey::Material>> make(const JsonObject& object,
                                                          TokenAlgorithm algorithm) {
    auto material = std::make_shared<TokenKey::Material>();
    if (algorithm == TokenAlgorithm::hs256) {
      const std::string key = bytes(object, "k");
      if (key.size() < kMinHmacKeyBytes) return Errc::out_of_range;
      auto secret = Secret::from_text(key);
      if (!secret) return secret.error();
      material->secret = std::move(*secret);
      material->is_private = true;
      return material;
    }
    if (algorithm == TokenAlgorithm::rs256) material->pkey = make_rsa(bytes(object, "n"), bytes(object, "e"));
    if (algorithm == TokenAlgorithm::es256)
      material->pkey = make_p256(bytes(object, "x"), bytes(object, "y"));
    if (algorithm == TokenAlgorithm::eddsa) {
      const std::string x = bytes(object, "x");
      material->pkey.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(x), x.size()));
    }
    if (!material->pkey) return Errc::invalid_text;
    if (const auto checked = check_pkey(material->pkey.get(), algorithm); !checked) return checked.error();
    return material;
  }

  JsonReader outer_, inner_;
  simdjson::dom::parser parser_;
};

Result<std::vector<TokenKey>> parse_jwk_set(std::string_view json) { return JwkReader().read(json); }

}  // namespace recharge
