// Purpose: small text files that are written whole or not at all and tell when they were changed: a title,
// lines of a name and a value, and the BLAKE2b-256 of all that as the last line. Owner: any thread. Lifetime:
// functions only. Errors: StorageError names the file.
#pragma once

#include <sodium.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/file.h"
#include "storage/storage_error.h"

namespace recharge {

template <std::size_t N>
std::string to_hex(const std::array<std::uint8_t, N>& bytes) {
  std::array<char, 2 * N + 1> text{};
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  return text.data();
}

template <std::size_t N>
bool from_hex(std::string_view text, std::array<std::uint8_t, N>& bytes) {
  std::size_t length = 0;
  return text.size() == 2 * N &&
         sodium_hex2bin(bytes.data(), N, text.data(), text.size(), nullptr, &length, nullptr) == 0 &&
         length == N;
}

bool parse_number(std::string_view text, std::uint64_t& number);

// The lines with their checksum, and whether it fits.
std::string sealed(std::string lines);
bool is_sealed(std::string_view text);
// Takes the line "NAME VALUE\n" from the front of `rest`.
bool take_line(std::string_view& rest, std::string_view name, std::string_view& value);

// As "NAME.tmp", flushed, renamed, and the directory is flushed.
StorageResult<void> write_whole(FileSystem& files, const std::string& directory, const std::string& name,
                                std::string_view text);
StorageResult<std::string> read_whole(FileSystem& files, const std::string& path);

}  // namespace recharge
