// Purpose: finds a durable prefix of a journal that another process is writing. Owner: one thread, of any
// process. Lifetime: a call. Errors: StorageError; Errc::damaged only where the journal does not go on behind
// the place either. Changes nothing but flushes the segment of the last group.
#pragma once

#include "storage/journal_reader.h"

namespace recharge {

// The end of the last group that is whole, when everything before it is on the disk. A group that another one
// follows was flushed by its writer; the last one is flushed here.
StorageResult<JournalPosition> durable_prefix(FileSystem& files, const JournalOptions& journal,
                                              const JournalPosition& from);

}  // namespace recharge
