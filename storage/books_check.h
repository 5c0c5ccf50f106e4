// Purpose: looks at every page and every row of books, whatever state they are in: what verify does before it
// trusts LMDB with them. Owner: one thread. Lifetime: a call. Errors: StorageError names the file and the
// page's offset where pages do not fit together; damaged rows are handed over and the walk goes on.
#pragma once

#include <functional>
#include <string>

#include "storage/file.h"
#include "storage/storage_error.h"
#include "storage/stored_record.h"

namespace recharge {

using OnDamage = std::function<void(const StorageError&)>;

// file: DATA_DIR/books/data.mdb, not in use. Returns the number of rows.
StorageResult<std::uint64_t> check_books(FileSystem& files, const std::string& file, const RecordCodec& codec,
                                         const OnDamage& on_damage);

// What a start reads in any case, and what leads to the tables; file may be missing.
StorageResult<void> check_books_at_start(FileSystem& files, const std::string& file);

// As names a row in what people read: "order 0190a1b2…".
std::string row_text(Table table, Bytes key);
// The damage of a row, or nothing. Names no key: keys hold accounts, and the text may go into a log.
std::optional<StorageError> row_damage(const RecordCodec& codec, const std::string& file,
                                       std::uint64_t offset, Table table, Bytes key, Bytes value);

}  // namespace recharge
