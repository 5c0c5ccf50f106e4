#include "storage/lmdb_page.h"

namespace recharge {
namespace {

constexpr std::uint16_t kBranchFlag = 1, kLeafFlag = 2, kOverflowFlag = 4, kMetaFlag = 8;
constexpr std::uint16_t kBigValue = 1, kSubTree = 2;  // of a node
constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;

template <class T>
T take(Bytes bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

LmdbTree LmdbTree::read(Bytes bytes) noexcept {
  LmdbTree tree;
  tree.flags = take<std::uint16_t>(bytes, 4);
  tree.depth = take<std::uint16_t>(bytes, 6);
  tree.branch_pages = take<std::uint64_t>(bytes, 8);
  tree.leaf_pages = take<std::uint64_t>(bytes, 16);
  tree.overflow_pages = take<std::uint64_t>(bytes, 24);
  tree.entries = take<std::uint64_t>(bytes, 32);
  tree.root = take<std::uint64_t>(bytes, 40);
  return tree;
}

bool LmdbMeta::read(Bytes page, LmdbMeta& meta) noexcept {
  if (page.size() < kEnd || (take<std::uint16_t>(page, 10) & kMetaFlag) == 0) return false;
  if (take<std::uint32_t>(page, 16) != kMagic || take<std::uint32_t>(page, 20) != kDataVersion) return false;
  meta.page_bytes = take<std::uint32_t>(page, 40);
  meta.free_pages = LmdbTree::read(page.subspan(40, LmdbTree::kBytes));
  meta.tables = LmdbTree::read(page.subspan(88, LmdbTree::kBytes));
  meta.last_page = take<std::uint64_t>(page, 136);
  meta.transaction = take<std::uint64_t>(page, 144);
  return true;
}

// Nodes have even sizes and lie without gaps between `upper` and the end of the page.
const char* LmdbPage::find_fault(std::uint64_t number, Kind kind) const noexcept {
  if (at<std::uint64_t>(0) != number) return "the page bears another number";
  if (u16(kFlags) != (kind == Kind::leaf ? kLeafFlag : kBranchFlag)) return "the page is of another kind";
  const std::size_t lower = u16(kLower);
  const std::size_t upper = u16(kUpper);
  if (lower < kHeaderBytes || lower % 2 != 0 || lower > upper || upper > bytes_.size())
    return "the bounds of the page do not fit";
  if (rows() < (kind == Kind::leaf ? 1 : 2)) return "the page has too few rows";
  std::size_t sum = 0;
  for (std::size_t row = 0; row < rows(); ++row) {
    const std::size_t begin = node(row);
    if (begin < upper || begin % 2 != 0 || begin + kNodeHeaderBytes > bytes_.size())
      return "a row lies outside of the page";
    const std::size_t size = node_bytes(begin, kind);
    if (begin + size > bytes_.size()) return "a row is longer than the page";
    if (kind == Kind::leaf && (u16(begin + 4) & ~(kBigValue | kSubTree)) != 0) return "a row of unknown kind";
    sum += size;
  }
  if (sum != bytes_.size() - upper) return "the rows do not fill their room";
  return nullptr;
}

std::size_t LmdbPage::node_bytes(std::size_t node, Kind kind) const noexcept {
  std::size_t size = kNodeHeaderBytes + u16(node + 6);
  if (kind == Kind::leaf) {
    const bool big = (u16(node + 4) & kBigValue) != 0;
    size += big ? sizeof(std::uint64_t) : at<std::uint32_t>(node);
  }
  return size + size % 2;
}

Bytes LmdbPage::key(std::size_t row) const noexcept {
  return bytes_.subspan(node(row) + kNodeHeaderBytes, u16(node(row) + 6));
}

std::uint64_t LmdbPage::child(std::size_t row) const noexcept {
  return at<std::uint32_t>(node(row)) | std::uint64_t{u16(node(row) + 4)} << 32;
}

bool LmdbPage::is_tree(std::size_t row) const noexcept { return (u16(node(row) + 4) & kSubTree) != 0; }
bool LmdbPage::overflows(std::size_t row) const noexcept { return (u16(node(row) + 4) & kBigValue) != 0; }
std::uint32_t LmdbPage::value_bytes(std::size_t row) const noexcept { return at<std::uint32_t>(node(row)); }

std::uint64_t LmdbPage::overflow_page(std::size_t row) const noexcept {
  return at<std::uint64_t>(node(row) + kNodeHeaderBytes + u16(node(row) + 6));
}

Bytes LmdbPage::value(std::size_t row) const noexcept {
  return bytes_.subspan(node(row) + kNodeHeaderBytes + u16(node(row) + 6), value_bytes(row));
}

std::uint32_t LmdbPage::overflow_pages(std::uint64_t number) const noexcept {
  return at<std::uint64_t>(0) == number && u16(kFlags) == kOverflowFlag ? at<std::uint32_t>(kLower) : 0;
}

}  // namespace recharge
