// Purpose: the two rows of the books that are no records: the header, which ties them to their folder and
// schema, and the position that they stand for. Lifetime: plain values. Errors: Errc::damaged where the
// checksum does not fit; a header tells an older schema (Errc::not_found) and a newer one apart from damage.
// Source of the layout: storage/README.md.
#pragma once

#include <boost/container/static_vector.hpp>
#include <string_view>

#include "storage/books.h"

namespace recharge {

// The layout of keys and values. Books of an older one are made anew from the journal; there is no migration.
constexpr std::uint32_t kBooksSchema = 4;

constexpr std::string_view kMetaTable = "meta";
constexpr std::string_view kHeaderKey = "header";
constexpr std::string_view kPositionKey = "position";

using MetaRow = boost::container::static_vector<std::byte, 128>;

MetaRow encode_header(const FolderId& folder);
Result<void> check_header(Bytes row, const FolderId& folder);
MetaRow encode_position(const BooksPosition& position, const FolderId& folder);
Result<BooksPosition> decode_position(Bytes row, const FolderId& folder);

}  // namespace recharge
