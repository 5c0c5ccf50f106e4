// Purpose: the rows of the books as records, shard by shard, for checks over all of them. Lifetime: a copy.
// Errors: Errc::damaged for a row that fails its checksum.
#pragma once

#include <vector>

#include "storage/memory_books.h"
#include "tests/core/map_records.h"

namespace recharge::simulation {

Result<std::vector<testing::MapRecords>> records_of(const MemoryBooks& books);

}  // namespace recharge::simulation
