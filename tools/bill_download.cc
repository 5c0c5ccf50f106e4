#include "tools/bill_download.h"

#include <curl/curl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "tools/http_client.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/tls_channel.h"

namespace recharge {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
constexpr long kStalledSeconds = 60;  // without a byte
constexpr unsigned kMaxPages = 1'000'000;

struct Close {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using File = std::unique_ptr<std::FILE, Close>;

ToolResult<File> make_file(const std::string& folder, std::string& path) {
  path = folder + "/recharge-bill-XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  File file(descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb"));
  if (!file) return ToolError{ExitCode::failure, "cannot make a file in " + folder};
  return file;
}

ToolError failed(const std::string& what) {
  return {ExitCode::failure, "the bill cannot be fetched: " + what};
}

std::size_t write_bytes(char* data, std::size_t size, std::size_t count, void* file) {
  return std::fwrite(data, size, count, static_cast<std::FILE*>(file));
}

// Certificates are verified, and redirects are not followed: the address came from the gateway itself.
ToolResult<void> fetch(const std::string& url, const std::string& authorization, std::FILE* file) {
  const std::unique_ptr<CURL, Close> easy(curl_easy_init());
  if (!easy) return failed("out of memory");
  std::unique_ptr<curl_slist, Close> headers;
  if (!authorization.empty()) {
    headers.reset(curl_slist_append(nullptr, ("Authorization: " + authorization).c_str()));
    curl_slist_append(headers.get(), "Accept: application/json");
  }
  char error[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy.get(), CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_USERAGENT, "recharge/" RECHARGE_VERSION);
  if (!trusted_ca_file().empty()) curl_easy_setopt(easy.get(), CURLOPT_CAINFO, trusted_ca_file().c_str());
  curl_easy_setopt(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, write_bytes);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, file);
  const CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK) return failed(error[0] != '\0' ? error : curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return failed("the gateway answered with status " + std::to_string(status));
  return {};
}

bool write_page(const std::string& page, std::FILE* file) {
  const std::string text = "{\"object\":\"list\",\"data\":" + page + "}\n";
  return std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

}  // namespace

DownloadedBill::~DownloadedBill() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

DownloadedBill::DownloadedBill(DownloadedBill&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      format_(std::move(other.format_)),
      sha1_(std::move(other.sha1_)) {}

ToolResult<DownloadedBill> download_bill(const Tool& tool, const BillOrder& order) {
  const std::string question =
      "/api/gateways/" + percent_encode(order.gateway) + "/bill?date=" + percent_encode(order.date) +
      "&from=" + percent_encode(to_rfc3339(order.from)) + "&until=" + percent_encode(to_rfc3339(order.until));
  std::string path;
  auto file = make_file(order.scratch_dir, path);
  if (!file) return file.error();
  DownloadedBill bill(path, "", "");  // which removes the file, should anything fail
  std::string after;
  HttpClient server(tool.server, tool.token);
  for (unsigned page = 0; page < kMaxPages; ++page) {
    const auto reply = server.get(question + (after.empty() ? "" : "&after=" + percent_encode(after)));
    if (!reply) return reply.error();
    if (reply->status != 200) return failed(describe_error(*reply));
    const auto member = [&](const char* name) { return json_member(reply->body, name).value_or(""); };
    bill.describe(member("format"), member("sha1"));
    if (const std::string url = member("url"); !url.empty()) {
      if (const auto done = fetch(url, member("authorization"), file->get()); !done) return done.error();
      break;
    }
    if (!write_page(member("page"), file->get())) return failed("it cannot be written to " + path);
    after = member("next");
    if (after.empty()) break;
  }
  if (std::fflush(file->get()) != 0) return failed("it cannot be written to " + path);
  return bill;
}

}  // namespace recharge
