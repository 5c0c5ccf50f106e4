#include "tools/row_partitions.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/codec.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxRowBytes = 512;

template <class A, class Row>
void row_fields(A& archive, Row& row) {
  enumerated(archive, row.row.kind, BillRow::Kind::refund);
  enumerated(archive, row.row.state, BillRow::State::failed);
  field(archive, row.row.transaction_id);
  field(archive, row.row.order);
  field(archive, row.row.refund);
  field(archive, row.row.amount);
  field(archive, row.row.at);
  field(archive, row.of_bill);
  field(archive, row.line);
  field(archive, row.expected);
  field(archive, row.kept);
  field(archive, row.dismissed);
}

}  // namespace

ToolError RowPartitions::failed(const char* what) const {
  return {ExitCode::failure, directory_ + ": " + what + ": " + std::strerror(errno)};
}

ToolResult<RowPartitions> RowPartitions::open(const std::string& directory) {
  RowPartitions partitions;
  partitions.directory_ = directory;
  for (std::size_t i = 0; i < kPartitions; ++i) {
    const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    std::FILE* file = fd < 0 ? nullptr : ::fdopen(fd, "w+b");
    if (file == nullptr) {
      const ToolError error = partitions.failed("no temporary file");
      if (fd >= 0) ::close(fd);
      return error;
    }
    partitions.files_.emplace_back(file);
  }
  return partitions;
}

ToolResult<void> RowPartitions::add(const ReconciledRow& row) {
  std::array<std::byte, kMaxRowBytes> bytes;
  ByteWriter writer(bytes);
  row_fields(writer, row);
  const auto size = static_cast<std::uint16_t>(writer.size());
  std::FILE* file = files_[std::hash<std::string_view>()(row.key()) % kPartitions].get();
  if (!writer.ok() || std::fwrite(&size, sizeof size, 1, file) != 1 ||
      std::fwrite(bytes.data(), size, 1, file) != 1)
    return failed("a temporary file cannot be written");
  return {};
}

ToolResult<void> RowPartitions::read(std::size_t partition,
                                     const std::function<void(const ReconciledRow& row)>& visit) {
  std::FILE* file = files_[partition].get();
  if (std::fflush(file) != 0) return failed("a temporary file cannot be written");
  std::rewind(file);
  std::uint16_t size = 0;
  std::array<std::byte, kMaxRowBytes> bytes;
  while (std::fread(&size, sizeof size, 1, file) == 1) {
    if (size > bytes.size() || std::fread(bytes.data(), size, 1, file) != 1)
      return failed("a temporary file cannot be read");
    ByteReader reader(std::span<const std::byte>(bytes).first(size));
    ReconciledRow row;
    row_fields(reader, row);
    if (!reader.at_end()) return failed("a temporary file cannot be read");
    visit(row);
  }
  if (std::ferror(file) != 0) return failed("a temporary file cannot be read");
  return {};
}

}  // namespace recharge
