// Purpose: makes the end of the journal certain after a crash, before anything is served.
// Owner: the thread that starts the process, before the journal is opened. Lifetime: functions only.
// Errors: name file and offset; any is a reason not to start. Units: bytes.
// Source of the rules: storage/README.md.
#pragma once

#include "storage/journal_reader.h"

namespace recharge {

// Zeroes what an unfinished group left behind the end, writes the last group again in place (a crash can
// leave its bytes readable though not on the disk) and flushes both. Returns where the next group begins.
// REQUIRES: reader.next() has returned nullptr.
StorageResult<JournalPosition> recover_tail(FileSystem& files, const JournalOptions& options,
                                            const JournalReader& reader);

}  // namespace recharge
