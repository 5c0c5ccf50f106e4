// Purpose: the whole way of a signed callback in one thread, from the bytes of its request to the changed
// records,
//   on one shard in memory: everything but sockets, threads and the disk. Each stage is a function of its
//   own, so that a profile can tell them apart. Owner: one thread. Errors: aborts where a stage gives
//   anything but what is right: a fast wrong answer is no result.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/journal_record.h"
#include "core/json_object.h"
#include "core/native_callback.h"
#include "core/signature_verifier.h"
#include "core/transition.h"
#include "server/request_parser.h"
#include "storage/memory_books.h"
#include "storage/shard_records.h"

namespace recharge {

class CallbackPath {
 public:
  // Pending orders over a quarter as many accounts, and a signed request for each.
  explicit CallbackPath(std::size_t orders);

  std::size_t size() const noexcept { return requests_.size(); }
  // The way of request i, which is credited. REQUIRES: it was not before.
  [[gnu::noinline]] void run(std::size_t i);
  // The same under another name, that is not counted.
  [[gnu::noinline]] void warm_up(std::size_t i);
  // After `credited` runs: what the users have, and what the gateway's clearing account owes.
  void check_sums(std::size_t credited);

  // The stages, in their order. Each works on what the one before left.
  [[gnu::noinline]] void frame(std::size_t i);  // the request's header and body
  [[gnu::noinline]] void parse();               // JSON, the text that is signed, the fields
  [[gnu::noinline]] void verify();              // HMAC-SHA256
  [[gnu::noinline]] void command(std::size_t i);
  [[gnu::noinline]] void decide();
  [[gnu::noinline]] void encode();
  [[gnu::noinline]] void apply();

 private:
  void place(std::size_t i);
  void add_request(const OrderId& id, std::size_t i);
  void stages(std::size_t i);

  MemoryBooks books_;
  std::unique_ptr<BooksSnapshot> snapshot_ = books_.snapshot();
  RecordCodec codec_{{}};
  ShardRecords records_;
  std::vector<OrderId> orders_;
  std::vector<std::string> requests_;  // padded as the server's read buffer is
  std::vector<std::string> required_ = {"order_id", "transaction_id", "amount", "status", "timestamp"};
  RequestParser parser_{ParserLimits{}};
  JsonReader json_;
  SignatureVerifier verifier_;
  std::string canonical_;
  std::string_view signature_, key_;
  NativeCallback callback_;
  Command command_;
  Outcome outcome_;
  Facts facts_;
  std::vector<std::byte> room_ = std::vector<std::byte>(32 * 1024);
  std::uint64_t number_ = 0;
};

}  // namespace recharge
