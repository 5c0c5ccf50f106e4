// Any bytes are a record or damage; what was read can be written, and reads back the same.
#include <vector>

#include "core/journal_record.h"
#include "tests/core/same.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {

void fuzz(FuzzBytes bytes) {
  static JournalRecord record;
  static JournalRecord again;
  record = JournalRecord{};
  if (!decode_record(bytes_of(bytes), record)) return;

  std::vector<std::byte> room(max_record_bytes(record.command) + bytes.size());
  const auto version = std::to_integer<std::uint8_t>(bytes_of(bytes)[0]);
  const auto size = encode_record(record.command, record.facts, record.circumstances, room, version);
  RECHARGE_CHECK(size.has_value());
  again = JournalRecord{};
  RECHARGE_CHECK(decode_record(std::span(room).first(*size), again).has_value());
  RECHARGE_CHECK(testing::same(record.circumstances, again.circumstances));
  RECHARGE_CHECK(testing::same(record.command, again.command));
  RECHARGE_CHECK(record.facts.size() == again.facts.size());
  for (std::size_t i = 0; i < record.facts.size(); ++i) {
    RECHARGE_CHECK(testing::same(record.facts[i], again.facts[i]));
  }
}

}  // namespace recharge
