// The one place of the tool with Asio and Beast in it.
#include "tools/simulator_server.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <chrono>
#include <thread>

namespace recharge {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::uint64_t kMaxBodyBytes = 1 << 20;

ApiRequest to_request(const http::request<http::string_body>& message) {
  ApiRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    request.header_lines.append(field.name_string()).append(": ").append(field.value()).append("\r\n");
  }
  request.body = message.body();
  return request;
}

http::response<http::string_body> to_response(const ApiReply& reply, bool keep_alive) {
  http::response<http::string_body> response;
  response.result(reply.status);
  response.set(http::field::content_type, reply.content_type);
  for (const std::string& header : reply.headers) {
    const auto colon = header.find(": ");
    response.set(header.substr(0, colon), header.substr(colon + 2));
  }
  response.body() = reply.body;
  response.keep_alive(keep_alive);
  if (reply.status != 204) response.prepare_payload();
  return response;
}

}  // namespace

struct SimulatorServer::Impl {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  Handler handler;
  std::thread thread;

  // Ends when the peer closes, sends what is no HTTP, or the server is destroyed.
  asio::awaitable<void> serve(tcp::socket socket) {
    boost::beast::flat_buffer buffer;
    try {
      for (bool keep_alive = true; keep_alive;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(kMaxBodyBytes);
        co_await http::async_read(socket, buffer, parser, asio::use_awaitable);
        keep_alive = parser.get().keep_alive();
        const ApiReply reply = handler(to_request(parser.get()));
        if (reply.delay_ms > 0) {
          asio::steady_timer timer(context, std::chrono::milliseconds(reply.delay_ms));
          co_await timer.async_wait(asio::use_awaitable);
        }
        if (reply.hang_up) co_return;
        auto response = to_response(reply, keep_alive);
        co_await http::async_write(socket, response, asio::use_awaitable);
      }
    } catch (const boost::system::system_error&) {
      co_return;  // the connection is gone; the peer will see that
    }
  }

  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(context, serve(std::move(socket)), asio::detached);  // owned by the context
    }
  }
};

SimulatorServer::SimulatorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SimulatorServer::~SimulatorServer() {
  impl_->context.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

ToolResult<std::unique_ptr<SimulatorServer>> SimulatorServer::listen(const std::string& address,
                                                                     Handler handler) {
  const auto colon = address.rfind(':');
  unsigned port = 65'536;
  if (colon != std::string::npos)
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  boost::system::error_code error;
  const auto host = asio::ip::make_address(address.substr(0, colon), error);
  if (error || port > 65'535) return ToolError{ExitCode::usage, "no address to listen at: " + address};
  auto impl = std::make_unique<Impl>();
  impl->handler = std::move(handler);
  const tcp::endpoint endpoint(host, static_cast<std::uint16_t>(port));
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return ToolError{ExitCode::failure, address + ": " + error.message()};
  asio::co_spawn(impl->context, impl->accept(), asio::detached);
  impl->thread = std::thread([context = &impl->context] { context->run(); });
  return std::unique_ptr<SimulatorServer>(new SimulatorServer(std::move(impl)));
}

std::string SimulatorServer::url() const {
  const auto endpoint = impl_->acceptor.local_endpoint();
  const std::string host = endpoint.address().to_string();
  return "http://" + (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace recharge
