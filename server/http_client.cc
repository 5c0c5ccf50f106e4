#include "server/http_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "core/check.h"
#include "server/spare_time.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr int kLongestPollMs = 60'000;  // whoever has something for the thread wakes it
constexpr long kKeptIdleSeconds = 50;   // most servers close after 60

struct EasyDeleter {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

bool has_line_break(std::string_view text) noexcept {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

// Why a call cannot be sent; empty: it can.
std::string_view fault_of(const HttpCall& call) noexcept {
  if (call.method != "GET" && call.method != "POST") return "the method is neither GET nor POST";
  if (!call.url.starts_with("https://") && !call.url.starts_with("http://"))
    return "the URL is neither http nor https";
  if (std::any_of(call.url.begin(), call.url.end(), [](char c) { return c <= ' ' || c == 0x7f; }))
    return "the URL has a character that must be encoded";
  for (const auto& [name, value] : call.headers) {
    if (name.empty() || name.find(':') != std::string::npos || has_line_break(name) || has_line_break(value))
      return "a header cannot be sent";
  }
  return {};
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  if (curl_easy_setopt(easy, option, value) != CURLE_OK)
    throw std::runtime_error("libcurl refuses option " + std::to_string(option));
}

}  // namespace

class HttpClient::Worker {
 public:
  explicit Worker(HttpClientOptions options);
  ~Worker() {
    stop();
    curl_multi_cleanup(multi_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  bool submit(HttpCall call, Completion completion);
  void stop();
  std::size_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  struct Transfer {
    HttpCall call;
    Completion completion;
    const Worker* worker = nullptr;
    HttpAnswer answer = {};
    std::unique_ptr<curl_slist, ListDeleter> headers = {};
    bool address_refused = false;
    bool too_large = false;
    bool body_began = false;
    std::unique_ptr<CURL, EasyDeleter> easy = {};  // the last member: it goes first
  };
  using Transfers = std::deque<std::unique_ptr<Transfer>>;

  void run();
  void rest();
  void begin(std::unique_ptr<Transfer> transfer);
  void prepare(Transfer& transfer);
  void finish_done();
  void finish(Transfer& transfer);
  static std::string describe(const Transfer& transfer, CURLcode result);

  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;

  const HttpClientOptions options_;
  CURLM* multi_ = nullptr;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> under_way_;  // of the client's thread

  mutable std::mutex mutex_;  // of the three below
  Transfers waiting_;
  std::size_t calls_ = 0;
  bool stopping_ = false;
  std::condition_variable stopped_;
  SpareTime spare_;  // of the client's thread
  std::thread thread_;
};

HttpClient::Worker::Worker(HttpClientOptions options) : options_(std::move(options)) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw std::runtime_error("libcurl cannot start");
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw std::runtime_error("libcurl cannot start");
  const HttpClientLimits& limits = options_.limits;
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(limits.max_connections));
  curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS,
                    static_cast<long>(limits.max_connections_per_host));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(limits.max_connections));
  thread_ = std::thread([this] { run(); });
}

bool HttpClient::Worker::submit(HttpCall call, Completion completion) {
  auto transfer = std::make_unique<Transfer>(Transfer{std::move(call), std::move(completion)});
  transfer->worker = this;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || calls_ >= options_.limits.max_calls) return false;
    waiting_.push_back(std::move(transfer));
    ++calls_;
  }
  curl_multi_wakeup(multi_);
  return true;
}

void HttpClient::Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  RECHARGE_CHECK(thread_.get_id() != std::this_thread::get_id());
  if (!thread_.joinable()) return;
  stopped_.notify_one();
  curl_multi_wakeup(multi_);
  thread_.join();
}

void HttpClient::Worker::run() {
  begin_thread(options_.thread_name, options_.urgency);
  for (bool stopping = false; !stopping;) {
    Transfers arrived;
    {
      const std::lock_guard lock(mutex_);
      arrived.swap(waiting_);
      stopping = stopping_;
    }
    for (auto& transfer : arrived) begin(std::move(transfer));
    int running = 0;
    curl_multi_perform(multi_, &running);
    finish_done();
    if (!stopping) curl_multi_poll(multi_, nullptr, 0, kLongestPollMs, nullptr);
    if (options_.urgency == Urgency::outgoing) rest();
  }
  while (!under_way_.empty()) {
    auto node = under_way_.extract(under_way_.begin());
    Transfer& transfer = *node.mapped();
    curl_off_t sent_after = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &sent_after);
    transfer.answer.kind = sent_after > 0 ? HttpAnswer::Kind::no_answer : HttpAnswer::Kind::not_sent;
    transfer.answer.error = "stopped";
    curl_multi_remove_handle(multi_, transfer.easy.get());
    finish(transfer);
  }
}

void HttpClient::Worker::rest() {
  const auto time = spare_.rest();
  if (time.count() == 0) return;
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, time, [this] { return stopping_; });
}

void HttpClient::Worker::begin(std::unique_ptr<Transfer> transfer) {
  Transfer& begun = *transfer;
  begun.answer.error = fault_of(begun.call);
  if (begun.answer.error.empty()) {
    try {
      prepare(begun);
    } catch (const std::exception& error) {
      begun.answer.error = error.what();
    }
  }
  if (!begun.answer.error.empty()) return finish(begun);
  under_way_.emplace(begun.easy.get(), std::move(transfer));
  curl_multi_add_handle(multi_, begun.easy.get());
}

void HttpClient::Worker::prepare(Transfer& transfer) {
  transfer.easy.reset(curl_easy_init());
  CURL* easy = transfer.easy.get();
  if (easy == nullptr) throw std::runtime_error("out of memory");
  const HttpCall& call = transfer.call;
  set(easy, CURLOPT_URL, call.url.c_str());
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_PATH_AS_IS, 1L);  // what was signed is what is sent
  set(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PROXY, "");
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  const auto timeout = call.timeout.count() > 0 ? call.timeout : options_.limits.timeout;
  set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.limits.connect_timeout.count()));
  set(easy, CURLOPT_MAXAGE_CONN, kKeptIdleSeconds);
  set(easy, CURLOPT_USERAGENT,
      options_.user_agent.empty() ? "recharge/" RECHARGE_VERSION : options_.user_agent.c_str());
  set(easy, CURLOPT_HEADERFUNCTION, &take_header);
  set(easy, CURLOPT_HEADERDATA, &transfer);
  set(easy, CURLOPT_WRITEFUNCTION, &take_body);
  set(easy, CURLOPT_WRITEDATA, &transfer);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  if (call.method == "POST") {
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    set(easy, CURLOPT_POSTFIELDS, call.body.data());
  }
  std::string line;
  const auto append = [&transfer](const char* text) {
    curl_slist* longer = curl_slist_append(transfer.headers.get(), text);
    if (longer == nullptr) throw std::runtime_error("out of memory");
    transfer.headers.release();
    transfer.headers.reset(longer);
  };
  for (const auto& [name, value] : call.headers) {
    line.assign(name).append(value.empty() ? ";" : ": ").append(value);
    append(line.c_str());
  }
  append("Expect:");  // no wait for "100 Continue"
  set(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
}

void HttpClient::Worker::finish_done() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    const auto node = under_way_.extract(message->easy_handle);
    RECHARGE_CHECK(!node.empty());
    Transfer& transfer = *node.mapped();
    CURL* easy = transfer.easy.get();
    long status = 0;
    curl_off_t sent_after_us = 0;
    curl_off_t took_us = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after_us);
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &took_us);
    HttpAnswer& answer = transfer.answer;
    answer.took = std::chrono::milliseconds(took_us / 1000);
    if (result == CURLE_OK) {
      answer.kind = HttpAnswer::Kind::answered;
      answer.status = static_cast<unsigned>(status);
    } else {
      answer.kind = sent_after_us > 0 ? HttpAnswer::Kind::no_answer : HttpAnswer::Kind::not_sent;
      answer.error = describe(transfer, result);
      answer.header_lines.clear();
      answer.body.clear();
    }
    curl_multi_remove_handle(multi_, easy);
    finish(transfer);
  }
}

void HttpClient::Worker::finish(Transfer& transfer) {
  transfer.easy.reset();
  {
    const std::lock_guard lock(mutex_);
    --calls_;
  }
  transfer.completion(std::move(transfer.answer));
}

std::string HttpClient::Worker::describe(const Transfer& transfer, CURLcode result) {
  if (transfer.too_large) return "the answer is too large";
  if (transfer.address_refused) return "the address is not allowed";
  return curl_easy_strerror(result);
}

std::size_t HttpClient::Worker::take_header(char* data, std::size_t size, std::size_t count,
                                            void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  if (line == "\r\n" || line == "\n" || transfer.body_began) return line.size();  // the end, or a trailer
  std::string& lines = transfer.answer.header_lines;
  if (line.starts_with("HTTP/")) {  // what an interim answer said counts no more
    lines.clear();
    return line.size();
  }
  if (lines.size() + line.size() > transfer.worker->options_.limits.max_header_bytes) {
    transfer.too_large = true;
    return 0;
  }
  lines.append(line);
  return line.size();
}

std::size_t HttpClient::Worker::take_body(char* data, std::size_t size, std::size_t count,
                                          void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  transfer.body_began = true;
  if (transfer.answer.body.size() + bytes > transfer.worker->options_.limits.max_answer_bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.answer.body.append(data, bytes);
  return bytes;
}

curl_socket_t HttpClient::Worker::open_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto& allow = transfer.worker->options_.allow_address;
  if (allow && !allow(address->addr)) {
    transfer.address_refused = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

HttpClient::HttpClient(HttpClientOptions options) : worker_(std::make_unique<Worker>(std::move(options))) {}
HttpClient::~HttpClient() = default;
bool HttpClient::submit(HttpCall call, Completion completion) {
  return worker_->submit(std::move(call), std::move(completion));
}
void HttpClient::stop() { worker_->stop(); }
std::size_t HttpClient::calls() const { return worker_->calls(); }

}  // namespace recharge
