// Purpose: one page of an LMDB file, read by code that trusts nothing in it: LMDB itself follows damaged
// offsets and page numbers wherever they lead. Owner: any thread. Lifetime: a view of bytes that outlive it.
// Errors: find_fault() says what does not fit; the other members REQUIRE that it found nothing. Units: bytes;
// pages are counted from 0. Source: LMDB 0.9.24, mdb.c, of 64-bit little-endian machines.
#pragma once

#include <cstdint>
#include <cstring>

#include "storage/books.h"

namespace recharge {

// A tree of pages: a table, the list of free pages, or the list of tables.
struct LmdbTree {
  static constexpr std::size_t kBytes = 48;
  static constexpr std::uint64_t kNoPage = ~std::uint64_t{0};

  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = kNoPage;

  static LmdbTree read(Bytes bytes) noexcept;
};

struct LmdbMeta {
  static constexpr std::size_t kEnd = 152;  // in its page

  std::uint32_t page_bytes = 0;
  LmdbTree free_pages;
  LmdbTree tables;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;

  // False where the bytes are not those of a meta page.
  static bool read(Bytes page, LmdbMeta& meta) noexcept;
};

class LmdbPage {
 public:
  enum class Kind { branch, leaf };

  explicit LmdbPage(Bytes bytes) noexcept : bytes_(bytes) {}

  // What does not fit, or nullptr. A leaf's values are not looked into.
  const char* find_fault(std::uint64_t number, Kind kind) const noexcept;

  std::size_t rows() const noexcept { return (u16(kLower) - kHeaderBytes) / 2; }
  Bytes key(std::size_t row) const noexcept;
  std::uint64_t child(std::size_t row) const noexcept;  // of a branch
  bool is_tree(std::size_t row) const noexcept;         // the value describes a table
  bool overflows(std::size_t row) const noexcept;       // the value lies on pages of its own
  std::uint64_t overflow_page(std::size_t row) const noexcept;
  std::uint32_t value_bytes(std::size_t row) const noexcept;
  Bytes value(std::size_t row) const noexcept;

  // The length of the run of pages that begins here with a long value; 0 where it is no such page. It may be
  // longer than the value needs: LMDB shortens a value in place.
  std::uint32_t overflow_pages(std::uint64_t number) const noexcept;

  static constexpr std::size_t kHeaderBytes = 16;

 private:
  static constexpr std::size_t kFlags = 10, kLower = 12, kUpper = 14;
  static constexpr std::size_t kNodeHeaderBytes = 8;

  template <class T>
  T at(std::size_t offset) const noexcept {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::uint16_t u16(std::size_t offset) const noexcept { return at<std::uint16_t>(offset); }
  std::size_t node(std::size_t row) const noexcept { return u16(kHeaderBytes + 2 * row); }
  std::size_t node_bytes(std::size_t node, Kind kind) const noexcept;

  Bytes bytes_;
};

}  // namespace recharge
