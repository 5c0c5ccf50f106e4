// Purpose: a small blocking HTTP server with or without TLS, for tests of clients. One thread a connection.
// Owner: the test; the answer function is called on the connections' threads.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace recharge {

class SmallHttpServer {
 public:
  // What is sent back for a request (head and body); empty: the connection is closed without an answer.
  using Answer = std::function<std::string(const std::string& request)>;

  // certificate_file, key_file: PEM; empty: no TLS.
  explicit SmallHttpServer(Answer answer, const std::string& certificate_file = {},
                           const std::string& key_file = {})
      : answer_(std::move(answer)), acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    if (!certificate_file.empty()) {
      tls_.emplace(boost::asio::ssl::context::tls_server);
      tls_->use_certificate_chain_file(certificate_file);
      tls_->use_private_key_file(key_file, boost::asio::ssl::context::pem);
    }
    acceptor_thread_ = std::thread([this] { accept(); });
  }
  ~SmallHttpServer() {
    stopping_ = true;
    {  // wakes the acceptor
      boost::system::error_code ignored;
      Socket socket(context_);
      socket.connect(acceptor_.local_endpoint(), ignored);
    }
    acceptor_thread_.join();
    for (auto& connection : connections_) {
      boost::system::error_code ignored;
      connection.socket.shutdown(Socket::shutdown_both, ignored);
      connection.thread.join();
    }
  }
  SmallHttpServer(const SmallHttpServer&) = delete;
  SmallHttpServer& operator=(const SmallHttpServer&) = delete;

  std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const {
    return (tls_ ? "https://" : "http://") + host + ":" + std::to_string(acceptor_.local_endpoint().port()) +
           path;
  }
  unsigned connections() const { return accepted_; }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  struct Connection {
    explicit Connection(Socket accepted) : socket(std::move(accepted)) {}
    Socket socket;
    std::thread thread;
  };

  void accept() {
    for (;;) {
      Socket socket = acceptor_.accept();
      if (stopping_) return;
      ++accepted_;
      connections_.emplace_back(std::move(socket));
      Connection& connection = connections_.back();
      connection.thread = std::thread([this, &connection] {
        boost::system::error_code error;
        if (tls_) {
          boost::asio::ssl::stream<Socket&> stream(connection.socket, *tls_);
          stream.handshake(boost::asio::ssl::stream_base::server, error);
          if (!error) serve(stream);
        } else {
          serve(connection.socket);
        }
        connection.socket.shutdown(Socket::shutdown_both, error);
      });
    }
  }

  template <class Stream>
  void serve(Stream& stream) {
    boost::system::error_code error;
    std::string bytes;
    for (;;) {
      const std::size_t head =
          boost::asio::read_until(stream, boost::asio::dynamic_buffer(bytes), "\r\n\r\n", error);
      if (error) return;
      std::size_t length = 0;
      const std::size_t at = bytes.find("Content-Length: ");
      if (at < head) length = std::stoul(bytes.substr(at + 16));
      if (bytes.size() < head + length) {
        boost::asio::read(stream, boost::asio::dynamic_buffer(bytes),
                          boost::asio::transfer_exactly(head + length - bytes.size()), error);
        if (error) return;
      }
      const std::string reply = answer_(bytes.substr(0, head + length));
      bytes.erase(0, head + length);
      if (reply.empty()) return;
      boost::asio::write(stream, boost::asio::buffer(reply), error);
      if (error) return;
    }
  }

  Answer answer_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::optional<boost::asio::ssl::context> tls_;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> accepted_{0};
  std::list<Connection> connections_;
  std::thread acceptor_thread_;
};

}  // namespace recharge
