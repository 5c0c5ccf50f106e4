// Purpose: one accepted command with its facts, as the bytes of one journal record. The command is kept too,
// so that the outcomes of two builds can be compared, and as evidence. Lifetime: a decoded record's
// string_views point into the bytes that it was decoded from. Errors: Errc::full where the room is too small,
// Errc::newer_format, Errc::damaged.
#pragma once

#include <cstddef>
#include <span>

#include "core/command.h"
#include "core/fact.h"
#include "core/transition.h"

namespace recharge {

// The first byte of every record. Decoders of every released version stay.
// Version 2 shows changed orders and resolved exceptions whole. Version 3 knows recharges by suppliers,
// version 4 addresses to be told of an order; what has nothing to do with them is written in version 2.
constexpr std::uint8_t kRecordVersion = 4;
constexpr std::uint8_t kSupplierRecordVersion = 3;
constexpr std::uint8_t kWalletRecordVersion = 2;
constexpr std::uint8_t kFirstRecordVersion = 1;

struct JournalRecord {
  Circumstances circumstances;
  Command command;
  Facts facts;
};

// An upper bound for encode_record() of this command and any facts that it can lead to.
std::size_t max_record_bytes(const Command& command) noexcept;

// The version that this command and its facts are written in.
std::uint8_t record_version(const Command& command, const Facts& facts) noexcept;

// The number of bytes written. An earlier version: to compare with a record that was written in it.
Result<std::size_t> encode_record(const Command& command, const Facts& facts, Circumstances circumstances,
                                  std::span<std::byte> room, std::uint8_t version) noexcept;
inline Result<std::size_t> encode_record(const Command& command, const Facts& facts,
                                         Circumstances circumstances, std::span<std::byte> room) noexcept {
  return encode_record(command, facts, circumstances, room, record_version(command, facts));
}

// A command's exception id comes back only if it was used, its evidence digest as that of the evidence.
Result<void> decode_record(std::span<const std::byte> bytes, JournalRecord& record) noexcept;

}  // namespace recharge
