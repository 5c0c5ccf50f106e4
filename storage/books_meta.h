// Purpose: the two rows of the books that are no records: the header, which ties them to their folder and
// schema, and the position that they stand for. Lifetime: plain values. Errors: Errc::damaged where the
// checksum does not fit; a header tells an older schema (Errc::not_found) and a newer one apart from damage.
// Source of the layout: storage/README.md.
#pragma once

#include <boost/container/static_vector.hpp>
#include <string_view>

#include "storage/books.h"

namespace recharge {

// The layout of keys and values. Schema 4 added a table (gateway_work) and changed no row, so that books of
// schema 3, and a base, get it and this schema when they are opened to be written. Older ones, which never
// were a base, are made anew from the journal.
constexpr std::uint32_t kBooksSchema = 4;
constexpr std::uint32_t kOldestBooksSchema = 3;

// From here on tables may be missing until the books are opened to be written.
constexpr std::size_t first_later_table(std::uint32_t schema) noexcept {
  return schema < kBooksSchema ? static_cast<std::size_t>(Table::gateway_work) : kFirstLaterTable;
}

constexpr std::string_view kMetaTable = "meta";
constexpr std::string_view kHeaderKey = "header";
constexpr std::string_view kPositionKey = "position";

using MetaRow = boost::container::static_vector<std::byte, 128>;

MetaRow encode_header(const FolderId& folder);
Result<void> check_header(Bytes row, const FolderId& folder);
MetaRow encode_position(const BooksPosition& position, const FolderId& folder);
Result<BooksPosition> decode_position(Bytes row, const FolderId& folder);

}  // namespace recharge
