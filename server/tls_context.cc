#include "server/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/openssl_free.h"
#include "server/secret_file.h"

namespace recharge {
namespace {

// Forward secrecy and authenticated encryption alone. Those of TLS 1.3 are OpenSSL's own.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr unsigned char kSessionContext[] = "recharged";  // a ticket of another service is none of ours
constexpr std::string_view kHttp = "http/1.1";

// The reason of the first error that OpenSSL has kept.
std::string last_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "not usable" : reason;
}

void check_readable(const SecretSource& source) {
  const std::ifstream in(source.file);
  if (!in) refuse_file(source, std::string("cannot be read: ") + std::strerror(errno));
}

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;

int no_passphrase(char*, int, int, void*) { return -1; }

void use_certificate(SSL_CTX* context, const SecretSource& source) {
  check_readable(source);
  if (SSL_CTX_use_certificate_chain_file(context, source.file.c_str()) == 1) return;
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
    ERR_clear_error();
    refuse_file(source, "holds no certificate in PEM");
  }
  refuse_file(source, "no usable certificate: " + last_reason());
}

void use_key(SSL_CTX* context, const TlsSettings& settings) {
  const Secret text = read_secret_file(settings.key);
  const Bio in(BIO_new_mem_buf(text.reveal().data(), static_cast<int>(text.reveal().size())));
  const PrivateKey key(PEM_read_bio_PrivateKey(in.get(), nullptr, &no_passphrase, nullptr));
  if (!key) {
    const bool encrypted = text.reveal().find("ENCRYPTED") != std::string_view::npos;
    ERR_clear_error();
    refuse_file(settings.key, encrypted ? "the key is encrypted; it is read without a passphrase"
                                        : "holds no private key in PEM");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1) return;
  ERR_clear_error();
  refuse_file(settings.key, "is not the key of the certificate in " + settings.certificate.file.string());
}

// Asked of everybody; that a gateway shows one is looked at when it calls.
void use_client_ca(SSL_CTX* context, const SecretSource& source) {
  check_readable(source);
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(source.file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, source.file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    ERR_clear_error();
    refuse_file(source, "holds no certificate in PEM");
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

// We speak one protocol; who offers others only is answered in it, as without ALPN.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != kHttp) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

std::string date_of(std::int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsContext::TlsContext(const TlsSettings& settings)
    : context_(SSL_CTX_new(TLS_server_method())), file_(settings.certificate.file.string()) {
  SSL_CTX* context = context_.get();
  if (context == nullptr) throw SettingsError("tls: " + last_reason());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  // A peer that ends without a word: HTTP itself says how long each request is.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  if (SSL_CTX_set_cipher_list(context, kCiphers) != 1 || SSL_CTX_set1_groups_list(context, kGroups) != 1) {
    throw SettingsError("tls: " + last_reason());
  }
  // Sessions are resumed by tickets: the server keeps nothing for them.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
  use_certificate(context, settings.certificate);
  use_key(context, settings);
  if (!settings.client_ca.file.empty()) use_client_ca(context, settings.client_ca);
  const X509* certificate = SSL_CTX_get0_certificate(context);
  not_before_s_ = seconds_of(X509_get0_notBefore(certificate));
  not_after_s_ = seconds_of(X509_get0_notAfter(certificate));
}

std::string TlsContext::complaint(std::int64_t now_s) const {
  constexpr std::int64_t kSoonS = 14 * 86'400;
  if (now_s < not_before_s_)
    return file_ + ": the certificate is good from " + date_of(not_before_s_) + " only";
  if (now_s > not_after_s_) return file_ + ": the certificate has ended on " + date_of(not_after_s_);
  if (now_s + kSoonS > not_after_s_) return file_ + ": the certificate ends on " + date_of(not_after_s_);
  return {};
}

std::shared_ptr<const TlsContext> load_tls(const TlsSettings& settings) {
  return settings.enabled() ? std::make_shared<const TlsContext>(settings) : nullptr;
}

}  // namespace recharge
