#include "server/web_socket.h"

#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <utility>

#include "core/check.h"

namespace recharge {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

// What Beast reads from and writes to: the session's bytes, never its socket. A write is done at once; a read
// without bytes waits for receive().
class SessionBytes {
 public:
  using executor_type = Executor;

  SessionBytes(const Executor& executor, WebSocketOwner* owner) : executor_(executor), owner_(owner) {}

  executor_type get_executor() const noexcept { return executor_; }
  void divert(std::string* out) noexcept { diverted_ = out; }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    room_ = first_of(buffers);
    waiting_ = std::make_unique<Reader<std::decay_t<Handler>>>(std::forward<Handler>(handler));
    if (owner_ == nullptr) return give_up();  // it goes on with what began before
    receive();
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    error_code error;
    const std::size_t count = write_some(buffers, error);
    asio::post(executor_, beast::bind_front_handler(std::forward<Handler>(handler), error, count));
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    const asio::mutable_buffer room = first_of(buffers);
    const std::size_t count = take(room);
    error = count == 0 && room.size() > 0 ? error_code(asio::error::would_block) : error_code();
    return count;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    const std::size_t count = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return count;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    error = {};
    std::size_t count = 0;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto at = asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const asio::const_buffer part(*at);
      const std::string_view bytes(static_cast<const char*>(part.data()), part.size());
      if (diverted_ != nullptr) {
        diverted_->append(bytes);
      } else if (owner_ != nullptr) {
        owner_->send_bytes(bytes);
      }
      count += bytes.size();
    }
    return count;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code error;
    return write_some(buffers, error);
  }

  void receive() {
    if (!waiting_) return;
    const std::size_t count = take(room_);
    if (count > 0 || room_.size() == 0) finish({}, count);
  }
  // The session goes: what waits for bytes is given up.
  void leave() {
    owner_ = nullptr;
    if (waiting_) give_up();
  }

  friend void teardown(beast::role_type, SessionBytes&, error_code& error) { error = {}; }
  template <class Handler>
  friend void async_teardown(beast::role_type, SessionBytes& bytes, Handler&& handler) {
    asio::post(bytes.executor_, beast::bind_front_handler(std::forward<Handler>(handler), error_code()));
  }
  friend void beast_close_socket(SessionBytes&) {}

 private:
  struct Waiting {
    virtual ~Waiting() = default;
    virtual void finish(const Executor& executor, error_code error, std::size_t count) = 0;
  };
  template <class Handler>
  struct Reader final : Waiting {
    explicit Reader(Handler h) : handler(std::move(h)) {}
    void finish(const Executor& executor, error_code error, std::size_t count) override {
      asio::post(executor, beast::bind_front_handler(std::move(handler), error, count));
    }
    Handler handler;
  };

  template <class Buffers>
  static asio::mutable_buffer first_of(const Buffers& buffers) {
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto at = asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const asio::mutable_buffer part(*at);
      if (part.size() > 0) return part;
    }
    return {};
  }
  std::size_t take(const asio::mutable_buffer& room) noexcept {
    return owner_ == nullptr ? 0 : owner_->take_received_bytes(static_cast<char*>(room.data()), room.size());
  }
  void give_up() { finish(asio::error::operation_aborted, 0); }
  void finish(error_code error, std::size_t count) {
    std::exchange(waiting_, nullptr)->finish(executor_, error, count);
  }

  Executor executor_;
  WebSocketOwner* owner_;  // null: it has gone
  std::string* diverted_ = nullptr;
  asio::mutable_buffer room_;  // of the reader that waits
  std::unique_ptr<Waiting> waiting_;
};

}  // namespace

// Beast's operations under way keep it.
class WebSocket::Impl : public std::enable_shared_from_this<WebSocket::Impl> {
 public:
  Impl(const Executor& executor, WebSocketOwner& owner) : owner_(&owner), stream_(executor, &owner) {
    stream_.auto_fragment(false);
    stream_.read_message_max(kMaxWebSocketMessage);
  }

  bool accept(std::string_view headers, std::string_view request_id, std::string_view subprotocol,
              std::string& response) {
    beast::http::request_parser<beast::http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(headers.size()) + 1);
    error_code error;
    parser.put(asio::buffer(headers.data(), headers.size()), error);
    if (error || !parser.is_header_done()) return false;
    stream_.set_option(beast::websocket::stream_base::decorator(
        [id = std::string(request_id),
         chosen = std::string(subprotocol)](beast::websocket::response_type& r) {
          r.set("X-Request-Id", id);
          if (!chosen.empty()) r.set(beast::http::field::sec_websocket_protocol, chosen);
        }));
    response.clear();
    stream_.next_layer().divert(&response);
    stream_.accept(parser.get(), error);
    stream_.next_layer().divert(nullptr);
    stream_.text(true);
    return !error;
  }

  void next() {
    RECHARGE_CHECK(!reading_);
    message_there_ = false;
    buffer_.clear();
    buffer_.shrink_to_fit();  // a listener that says nothing keeps no room for it
    if (ended_ || closed_) return;
    reading_ = true;
    stream_.async_read(buffer_,
                       [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }
  void receive() { stream_.next_layer().receive(); }
  void send(std::string_view text) {
    if (closed_ || ended_) return;
    error_code ignored;  // only that the client has closed it
    stream_.write(asio::buffer(text.data(), text.size()), ignored);
  }
  void ping() {
    if (closed_ || ended_) return;
    error_code ignored;
    stream_.ping({}, ignored);
  }
  void close(Close code, std::string_view reason) {
    if (closed_ || ended_) return;
    closed_ = true;
    const beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(code),
                                             beast::string_view(reason.data(), reason.size()));
    stream_.async_close(why, [self = shared_from_this()](error_code) {});
  }
  void leave() {
    owner_ = nullptr;
    stream_.next_layer().leave();
  }

  bool has_message() const noexcept { return message_there_; }
  std::string_view message() const noexcept {
    const auto data = buffer_.cdata();
    return {static_cast<const char*>(data.data()), data.size()};
  }
  bool is_text() const noexcept { return stream_.got_text(); }
  bool has_ended() const noexcept { return ended_; }

 private:
  void on_read(error_code error) {
    reading_ = false;
    (error ? ended_ : message_there_) = true;
    if (owner_ != nullptr) owner_->look_at_web_socket();
  }

  WebSocketOwner* owner_;
  beast::websocket::stream<SessionBytes, false> stream_;  // false: no compression, not even asked for
  beast::flat_buffer buffer_;
  bool reading_ = false;
  bool message_there_ = false;
  bool ended_ = false;
  bool closed_ = false;
};

std::unique_ptr<WebSocket> WebSocket::accept(const Executor& executor, WebSocketOwner& owner,
                                             std::string_view headers, std::string_view request_id,
                                             std::string_view subprotocol, std::string& response) {
  auto impl = std::make_shared<Impl>(executor, owner);
  if (!impl->accept(headers, request_id, subprotocol, response)) return nullptr;
  return std::unique_ptr<WebSocket>(new WebSocket(std::move(impl)));
}

WebSocket::WebSocket(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
WebSocket::~WebSocket() { impl_->leave(); }

void WebSocket::next() { impl_->next(); }
void WebSocket::receive() { impl_->receive(); }
bool WebSocket::has_message() const noexcept { return impl_->has_message(); }
std::string_view WebSocket::message() const noexcept { return impl_->message(); }
bool WebSocket::is_text() const noexcept { return impl_->is_text(); }
bool WebSocket::has_ended() const noexcept { return impl_->has_ended(); }
void WebSocket::send(std::string_view text) { impl_->send(text); }
void WebSocket::ping() { impl_->ping(); }
void WebSocket::close(Close code, std::string_view reason) { impl_->close(code, reason); }

}  // namespace recharge
