#include "server/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "server/io_scheduling.h"
#include "server/spare_time.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

// With up to eight threads no call waits for a connection: its time would run out unsent.
constexpr unsigned kMaxSupplierConnections = 8 * FulfilmentDesk::kMaxActive;

class OpenSocket {
 public:
  explicit OpenSocket(int fd) noexcept : fd_(fd) {}
  OpenSocket(OpenSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenSocket& operator=(OpenSocket&&) = delete;
  ~OpenSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

union SocketAddress {
  sockaddr plain;
  sockaddr_in four;
  sockaddr_in6 six;
};

[[noreturn]] void fail(const ListenAddress& address, const char* what) {
  throw ListenError("cannot listen on " + address.to_text() + ": " + what + ": " + std::strerror(errno));
}

socklen_t fill(const ListenAddress& address, SocketAddress& to) {
  to = {};
  if (inet_pton(AF_INET, address.host.c_str(), &to.four.sin_addr) == 1) {
    to.four.sin_family = AF_INET;
    to.four.sin_port = htons(address.port);
    return sizeof to.four;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &to.six.sin6_addr) != 1) fail(address, "address");
  to.six.sin6_family = AF_INET6;
  to.six.sin6_port = htons(address.port);
  return sizeof to.six;
}

OpenSocket bind_socket(const ListenAddress& address, bool shared_port) {
  SocketAddress to{};
  const socklen_t size = fill(address, to);
  OpenSocket socket(::socket(to.plain.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) fail(address, "socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared_port) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(socket.get(), &to.plain, size) != 0) fail(address, "bind");
  return socket;
}

std::uint16_t port_of(const OpenSocket& socket) {
  SocketAddress address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), &address.plain, &size);
  return ntohs(address.plain.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

// One for each thread on the same port. A port that another process listens on is refused, although it might
// share it.
std::vector<OpenSocket> open_listeners(ListenAddress& address, unsigned count) {
  if (address.port != 0) {
    const OpenSocket probe = bind_socket(address, false);
    if (::listen(probe.get(), 1) != 0) fail(address, "listen");
  }
  std::vector<OpenSocket> sockets;
  for (unsigned i = 0; i < count; ++i) {
    sockets.push_back(bind_socket(address, count > 1));
    address.port = port_of(sockets.back());
    if (::listen(sockets.back().get(), kListenBacklog) != 0) fail(address, "listen");
  }
  return sockets;
}

// The same socket for every thread.
std::vector<OpenSocket> share(OpenSocket socket, unsigned count) {
  std::vector<OpenSocket> sockets;
  for (unsigned i = 1; i < count; ++i) {
    sockets.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (sockets.back().get() < 0) throw ListenError("no descriptors left for the inherited socket");
  }
  sockets.push_back(std::move(socket));
  return sockets;
}

}  // namespace

HttpServer::HttpServer(const Settings& settings, Engine& engine, ServiceState& service, const Reloaded& first,
                       int inherited)
    : shared_(settings, engine, service), address_(settings.server.listen) {
  shared_.inherited_listener = inherited >= 0;
  const unsigned count = engine.threads();
  // Also where no gateway is called: refunds at one that is gone must end.
  HttpClientOptions options;
  options.ca_file = settings.gateway_ca_file.string();
  options.limits.max_answer_bytes = GatewayDesk::kMaxAnswerBytes;
  options.thread_name = "gateway calls";
  gateway_client_ = std::make_unique<HttpClient>(std::move(options));
  shared_.gateway_client = gateway_client_.get();
  service.hurry = [this](const OrderId& id) {
    for (const auto& thread : io_threads_) thread->hurry(id);
  };
  if (settings.fulfilment.kind == Fulfilment::http) {
    HttpClientOptions supplier;
    supplier.limits.max_answer_bytes = SupplierCalls::kMaxAnswerBytes;
    supplier.thread_name = "supplier calls";
    supplier.limits.max_connections = supplier.limits.max_connections_per_host = kMaxSupplierConnections;
    supplier_client_ = std::make_unique<HttpClient>(std::move(supplier));
    shared_.supplier_client = supplier_client_.get();
  }
  shared_.control_fds.resize(count, -1);
  std::vector<OpenSocket> listeners =
      inherited >= 0 ? share(OpenSocket(inherited), count) : open_listeners(address_, count);
  for (unsigned i = 0; i < count; ++i) {
    io_threads_.push_back(std::make_unique<IoThread>(shared_, i, listeners[i].get(), first));
    listeners[i].release();
  }
  if (settings.admin.listen) {
    operators_address_ = settings.admin.listen;
    OpenSocket operators = std::move(open_listeners(*operators_address_, 1).front());
    io_threads_.front()->listen_to_operators(operators.get());
    operators.release();
  }
}

HttpServer::~HttpServer() {
  begin_drain();
  for (std::thread& thread : threads_) thread.join();
}

void HttpServer::start() {
  for (const auto& io_thread : io_threads_) {
    running_.fetch_add(1);
    threads_.emplace_back([this, thread = io_thread.get()] {
      begin_thread(("io-" + std::to_string(thread->index())).c_str());
      if (shared_.settings.server.pin_threads) stay_on_core(thread->index(), shared_.engine.threads());
      {
        const ServingThread serving;
        thread->run();
      }
      running_.fetch_sub(1);
      running_.notify_all();
    });
  }
}

void HttpServer::begin_drain() {
  shared_.draining.store(true, std::memory_order_release);
  for (const auto& io_thread : io_threads_) io_thread->wake();
}

bool HttpServer::wait(std::chrono::milliseconds at_most) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  while (running_.load() > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return running_.load() == 0;
}

void HttpServer::take_over(std::shared_ptr<const Reloaded> reloaded) {
  for (const auto& io_thread : io_threads_) io_thread->take_over(reloaded);
}

std::int64_t HttpServer::oldest_beat_ms() const noexcept {
  std::int64_t oldest = io_threads_.front()->beat_ms();
  for (const auto& io_thread : io_threads_) oldest = std::min(oldest, io_thread->beat_ms());
  return oldest;
}

std::vector<const ThreadMetrics*> HttpServer::metrics() const {
  std::vector<const ThreadMetrics*> all;
  for (const auto& io_thread : io_threads_) all.push_back(&io_thread->metrics());
  return all;
}

}  // namespace recharge
