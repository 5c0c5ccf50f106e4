#include "storage/lmdb_file.h"

#include <algorithm>

namespace recharge {
namespace {

constexpr std::uint64_t kMetaPages = 2;
constexpr std::size_t kSmallestPage = 512;
constexpr std::size_t kLargestPage = 65536;
constexpr unsigned kDeepestTree = 32;

bool below(Bytes a, Bytes b) noexcept {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

std::uint64_t number_at(Bytes bytes, std::size_t index) noexcept {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + index * sizeof number, sizeof number);
  return number;
}

}  // namespace

// One walk over one tree.
struct LmdbFile::Walk {
  const std::function<StorageResult<bool>(const LmdbPage&, std::size_t row, Bytes value, std::uint64_t page)>
      visit;
  Bytes from{};
  bool whole_page = false;            // rows before `from` are visited too
  bool numbers = false;               // keys are integers of the machine
  std::vector<bool>* used = nullptr;  // none: pages are not counted
  unsigned depth = 0;
  LmdbTree found{};

  // Of keys that nothing is known of; false where they are no integers although they should be.
  bool less(Bytes a, Bytes b) const noexcept {
    if (!numbers) return below(a, b);
    const bool whole = a.size() == sizeof(std::uint64_t) && b.size() == sizeof(std::uint64_t);
    return whole && number_at(a, 0) < number_at(b, 0);
  }
};

StorageError LmdbFile::damaged(std::uint64_t page, const char* what) const {
  // A page's number may be what is damaged.
  return {Errc::damaged, path_, std::min(page, meta_.last_page) * meta_.page_bytes, what};
}

StorageResult<LmdbFile> LmdbFile::open(FileSystem& files, const std::string& path,
                                       std::optional<std::uint64_t> transaction) {
  auto opened = files.open(path, FileSystem::Access::read);
  if (!opened) return StorageError{opened.error(), path, 0, "opening the books"};
  return over(std::move(*opened), path, transaction);
}

StorageResult<LmdbFile> LmdbFile::over(std::shared_ptr<File> opened, const std::string& path,
                                       std::optional<std::uint64_t> transaction) {
  LmdbFile file(path);
  file.file_ = std::move(opened);
  if (auto done = file.read_meta(transaction); !done) return done.error();
  return file;
}

// The newer of two meta pages counts; either may be of a commit that is just going on.
StorageResult<void> LmdbFile::read_meta(std::optional<std::uint64_t> transaction) {
  auto size = file_->size();
  if (!size) return StorageError{size.error(), path_, 0, "asking for the size of the books"};
  file_bytes_ = *size;
  std::array<std::byte, LmdbMeta::kEnd> head;
  bool found = false;
  std::uint64_t offset = 0;
  for (std::uint64_t page = 0; page < kMetaPages; ++page) {
    if (auto read = file_->read_at(offset, head); !read)
      return StorageError{read.error(), path_, offset, "reading a meta page"};
    LmdbMeta meta;
    if (!LmdbMeta::read(head, meta))
      return StorageError{Errc::damaged, path_, offset, "no meta page of LMDB"};
    const bool fits = meta.page_bytes >= kSmallestPage && meta.page_bytes <= kLargestPage &&
                      (meta.page_bytes & (meta.page_bytes - 1)) == 0;
    if (!fits || (page > 0 && meta.page_bytes != offset))
      return StorageError{Errc::damaged, path_, offset, "the page size of the meta page does not fit"};
    offset = meta.page_bytes;
    const bool wanted =
        transaction ? meta.transaction == *transaction : !found || meta.transaction > meta_.transaction;
    if (wanted) meta_ = meta;
    found = found || wanted;
  }
  if (!found) return StorageError{Errc::not_found, path_, 0, "the transaction is no longer there"};
  if (meta_.last_page >= file_bytes_ / meta_.page_bytes)
    return StorageError{Errc::damaged, path_, file_bytes_, "the file ends before its last page"};
  return {};
}

StorageResult<std::vector<std::byte>> LmdbFile::read_pages(std::uint64_t first, std::uint64_t count) {
  if (first < kMetaPages || first > meta_.last_page || count > meta_.last_page + 1 - first)
    return damaged(std::min(first, meta_.last_page), "a page number outside of the file is referred to");
  std::vector<std::byte> bytes(count * meta_.page_bytes);
  if (auto read = file_->read_at(first * meta_.page_bytes, bytes); !read)
    return StorageError{read.error(), path_, first * meta_.page_bytes, "reading the books"};
  pages_read_ += count;
  return bytes;
}

StorageResult<void> LmdbFile::use(std::vector<bool>& used, std::uint64_t page, std::uint64_t count,
                                  std::uint64_t from) {
  for (std::uint64_t i = page; i < page + count; ++i) {
    if (i < kMetaPages || i >= used.size()) return damaged(from, "refers to a page outside of the file");
    if (used[i]) return damaged(i, "the page is referred to twice");
    used[i] = true;
  }
  return {};
}

StorageResult<bool> LmdbFile::visit_tree(Walk& walk, const LmdbTree& tree) {
  if (tree.root == LmdbTree::kNoPage) return true;
  if (tree.depth == 0 || tree.depth > kDeepestTree)
    return damaged(tree.root, "the depth of a tree does not fit");
  walk.depth = tree.depth;
  auto visited = visit_page(walk, tree.root, 1, {}, std::nullopt);
  if (!visited || !*visited || walk.used == nullptr) return visited;
  const LmdbTree& found = walk.found;
  if (found.entries != tree.entries || found.leaf_pages != tree.leaf_pages ||
      found.branch_pages != tree.branch_pages || found.overflow_pages != tree.overflow_pages) {
    return damaged(tree.root, "the tree below has more or fewer pages or rows than it says");
  }
  return true;
}

StorageResult<bool> LmdbFile::visit_page(Walk& walk, std::uint64_t number, unsigned depth, Bytes low,
                                         std::optional<Bytes> high) {
  auto bytes = read_pages(number, 1);
  if (!bytes) return bytes.error();
  if (walk.used != nullptr) {
    if (auto done = use(*walk.used, number, 1, number); !done) return done.error();
  }
  const bool leaf = depth == walk.depth;
  const LmdbPage page{*bytes};
  if (const char* fault = page.find_fault(number, leaf ? LmdbPage::Kind::leaf : LmdbPage::Kind::branch))
    return damaged(number, fault);
  if (leaf) return visit_leaf(walk, page, number, low, high);
  ++walk.found.branch_pages;
  for (std::size_t row = 0; row < page.rows(); ++row) {  // the first key of a branch is not used
    const Bytes begin = row == 0 ? low : page.key(row);
    const auto end = row + 1 < page.rows() ? std::optional<Bytes>(page.key(row + 1)) : high;
    if (row > 0 && !low.empty() && walk.less(begin, low))
      return damaged(number, "a branch's keys are out of order");
    if (end && !begin.empty() && !walk.less(begin, *end))
      return damaged(number, "a branch's keys are out of order");
    if (end && !walk.from.empty() && !below(walk.from, *end)) continue;
    auto visited = visit_page(walk, page.child(row), depth + 1, begin, end);
    if (!visited || !*visited) return visited;
  }
  return true;
}

StorageResult<bool> LmdbFile::visit_leaf(Walk& walk, const LmdbPage& page, std::uint64_t number, Bytes low,
                                         std::optional<Bytes> high) {
  ++walk.found.leaf_pages;
  Bytes before;
  for (std::size_t row = 0; row < page.rows(); ++row) {
    const Bytes key = page.key(row);
    if (key.empty() || (walk.numbers && key.size() != sizeof(std::uint64_t)))
      return damaged(number, "a row's key has another length");
    if (row == 0 ? !low.empty() && walk.less(key, low) : !walk.less(before, key))
      return damaged(number, "the rows are out of order");
    if (high && !walk.less(key, *high)) return damaged(number, "a row belongs on another page");
    before = key;
    ++walk.found.entries;
    std::vector<std::byte> long_value;
    if (page.overflows(row)) {
      auto read = read_long_value(walk, page, row, number);
      if (!read) return read.error();
      long_value = std::move(*read);
    }
    if (!walk.whole_page && !walk.from.empty() && below(key, walk.from)) continue;
    const Bytes value = page.overflows(row)
                            ? Bytes(long_value).subspan(LmdbPage::kHeaderBytes, page.value_bytes(row))
                            : page.value(row);
    auto visited = walk.visit(page, row, value, number);
    if (!visited || !*visited) return visited;
  }
  return true;
}

StorageResult<std::vector<std::byte>> LmdbFile::read_long_value(Walk& walk, const LmdbPage& page,
                                                                std::size_t row, std::uint64_t number) {
  const std::uint64_t first = page.overflow_page(row);
  const std::uint64_t needed =
      (LmdbPage::kHeaderBytes + page.value_bytes(row) + meta_.page_bytes - 1) / meta_.page_bytes;
  auto bytes = read_pages(first, needed);
  if (!bytes) return damaged(number, "refers to a page outside of the file");
  const std::uint64_t pages = LmdbPage(*bytes).overflow_pages(first);
  if (pages < needed) return damaged(number, "a long value takes another number of pages");
  if (walk.used != nullptr) {
    if (auto done = use(*walk.used, first, pages, number); !done) return done.error();
  }
  walk.found.overflow_pages += pages;
  return bytes;
}

StorageResult<std::optional<LmdbTree>> LmdbFile::find_table(std::string_view table) {
  std::optional<LmdbTree> tree;
  const Bytes name = std::as_bytes(std::span(table));
  Walk tables{
      [&](const LmdbPage& page, std::size_t row, Bytes value, std::uint64_t number) -> StorageResult<bool> {
        if (!std::equal(name.begin(), name.end(), page.key(row).begin(), page.key(row).end())) return false;
        if (!page.is_tree(row) || value.size() != LmdbTree::kBytes)
          return damaged(number, "a table is not described");
        tree = LmdbTree::read(value);
        return false;
      }};
  tables.from = name;
  if (auto visited = visit_tree(tables, meta_.tables); !visited) return visited.error();
  return tree;
}

StorageResult<bool> LmdbFile::has_table(std::string_view table) {
  const auto tree = find_table(table);
  if (!tree) return tree.error();
  return tree->has_value();
}

StorageResult<void> LmdbFile::scan(std::string_view table, Bytes from, const Visit& visit, bool whole_page) {
  const auto tree = find_table(table);
  if (!tree) return tree.error();
  if (!*tree) return damaged(0, "a table is missing");
  Walk rows{
      [&](const LmdbPage& page, std::size_t row, Bytes value, std::uint64_t number) -> StorageResult<bool> {
        if (page.is_tree(row)) return damaged(number, "a row of unknown kind");
        return visit(page.key(row), value, number * meta_.page_bytes);
      }};
  rows.from = from;
  rows.whole_page = whole_page;
  if (auto visited = visit_tree(rows, **tree); !visited) return visited.error();
  return {};
}

StorageResult<void> LmdbFile::check_all(const VisitTable& visit) {
  std::vector<bool> used(meta_.last_page + 1);
  std::fill_n(used.begin(), std::min<std::size_t>(kMetaPages, used.size()), true);
  bool goes_on = true;
  Walk tables{
      [&](const LmdbPage& page, std::size_t row, Bytes value, std::uint64_t number) -> StorageResult<bool> {
        if (!page.is_tree(row) || value.size() != LmdbTree::kBytes)
          return damaged(number, "a table is not described");
        const auto name = page.key(row);
        const std::string_view table(reinterpret_cast<const char*>(name.data()), name.size());
        Walk rows{[&](const LmdbPage& leaf, std::size_t at, Bytes bytes,
                      std::uint64_t leaf_number) -> StorageResult<bool> {
          if (leaf.is_tree(at)) return damaged(leaf_number, "a row of unknown kind");
          return goes_on = visit(table, leaf.key(at), bytes, leaf_number * meta_.page_bytes);
        }};
        rows.used = &used;
        return visit_tree(rows, LmdbTree::read(value));
      }};
  tables.used = &used;
  if (auto visited = visit_tree(tables, meta_.tables); !visited) return visited.error();
  return goes_on ? check_free_pages(used) : StorageResult<void>();
}

// Each row lists pages that a transaction freed: their number, and as many page numbers.
StorageResult<void> LmdbFile::check_free_pages(std::vector<bool>& used) {
  Walk rows{[&](const LmdbPage&, std::size_t, Bytes value, std::uint64_t number) -> StorageResult<bool> {
    const std::uint64_t listed = value.size() / sizeof(std::uint64_t);
    if (value.size() % sizeof(std::uint64_t) != 0 || listed == 0 || number_at(value, 0) != listed - 1)
      return damaged(number, "a list of free pages does not fit its length");
    for (std::uint64_t i = 1; i < listed; ++i) {
      if (auto done = use(used, number_at(value, i), 1, number); !done) return done.error();
    }
    return true;
  }};
  rows.numbers = true;
  rows.used = &used;
  if (auto visited = visit_tree(rows, meta_.free_pages); !visited) return visited.error();
  const auto lost = std::find(used.begin(), used.end(), false);
  if (lost == used.end()) return {};
  return damaged(static_cast<std::uint64_t>(lost - used.begin()), "the page is neither used nor free");
}

}  // namespace recharge
