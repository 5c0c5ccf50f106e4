// Purpose: makes the books of a stopped server's folder anew from its journal: beside the old ones, flushed,
// then renamed into their place. Cut short anywhere, either the old books or the new ones are there. Owner:
// one thread, with the folder's lock. Lifetime: a call. Errors: StorageError names the file; the old books
// stay as they are.
#pragma once

#include "storage/books_replica.h"
#include "storage/offline_folder.h"

namespace recharge {

StorageResult<ReplayReport> rebuild_books(FileSystem& files, const OfflineFolder& folder);

}  // namespace recharge
