#include "tools/bill_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <iconv.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "tools/json_rows.h"

namespace recharge {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
constexpr unsigned kMaxEntries = 64;

struct CloseArchive {
  void operator()(archive* a) const noexcept { archive_read_free(a); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

// GB18030 holds all of GBK. What is no character becomes '?': names of products only.
class Utf8 {
 public:
  Utf8() : conversion_(iconv_open("UTF-8", "GB18030")) {}
  ~Utf8() {
    if (usable()) iconv_close(conversion_);
  }
  Utf8(const Utf8&) = delete;
  Utf8& operator=(const Utf8&) = delete;
  bool usable() const noexcept { return conversion_ != iconv_t(-1); }

  const std::string& of(std::string_view text) {
    out_.resize(text.size() * 2 + 16);  // two bytes become three at the most, four stay four
    char* in = const_cast<char*>(text.data());
    std::size_t left = text.size();
    char* to = out_.data();
    std::size_t room = out_.size();
    while (left > 0 && iconv(conversion_, &in, &left, &to, &room) == std::size_t(-1)) {
      if (room == 0 || left == 0) break;
      ++in;
      --left;
      *to++ = '?';
      --room;
    }
    out_.resize(out_.size() - room);
    iconv(conversion_, nullptr, nullptr, nullptr, nullptr);
    return out_;
  }

 private:
  iconv_t conversion_;
  std::string out_;
};

class Sha1 {
 public:
  Sha1() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha1(), nullptr); }
  ~Sha1() { EVP_MD_CTX_free(context_); }
  Sha1(const Sha1&) = delete;
  Sha1& operator=(const Sha1&) = delete;
  void add(std::string_view bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_, sum.data(), &size);
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      text.push_back(kDigits[sum[i] >> 4]);
      text.push_back(kDigits[sum[i] & 15]);
    }
    return text;
  }

 private:
  EVP_MD_CTX* context_;
};

class Reading {
 public:
  Reading(const BillFile& file, const VisitBillRow& visit, const BillProgress& progress)
      : file_(file), visit_(visit), progress_(progress) {}

  ToolResult<BillFileReport> run() {
    struct stat found {};
    if (::stat(file_.path.c_str(), &found) != 0) return failed(std::strerror(errno));
    of_bytes_ = static_cast<std::uint64_t>(found.st_size);
    archive_.reset(archive_read_new());
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_format_zip(archive_.get());
    archive_read_support_format_empty(archive_.get());
    archive_read_support_format_raw(archive_.get());
    if (archive_read_open_filename(archive_.get(), file_.path.c_str(), kChunkBytes) != ARCHIVE_OK)
      return failed(archive_error_string(archive_.get()));
    if (file_.format == BillFormat::alipay && !utf8_.usable()) return failed("iconv knows no GB18030");
    for (unsigned entries = 0;; ++entries) {
      archive_entry* entry = nullptr;
      const int rc = archive_read_next_header(archive_.get(), &entry);
      if (rc == ARCHIVE_EOF) break;
      if (rc < ARCHIVE_WARN) return failed(archive_error_string(archive_.get()));  // warnings are of names
      if (entries == kMaxEntries) return failed("too many files in the archive");
      if (archive_entry_filetype(entry) == AE_IFDIR) continue;
      if (auto done = read_entry(); !done) return done.error();
    }
    if (!found_) {
      // Nothing in it had rows: the reader of an empty text says what is missing.
      const auto nothing = make_bill_reader(file_.format, file_.currency)->finish();
      if (!nothing) return failed(nothing.error().message);
    }
    if (!file_.sha1.empty() && !hash_fits_)
      return failed("the SHA-1 of what is in it is not " + file_.sha1 + ": it is not what the gateway made");
    return report_;
  }

 private:
  ToolError failed(const std::string& what) const {
    return {ExitCode::bad_configuration, file_.path + ": " + what};
  }
  ToolError failed(const std::string& what, std::uint64_t line) const {
    return {ExitCode::bad_configuration, file_.path + ":" + std::to_string(line) + ": " + what};
  }

  // A zip of Alipay holds the rows in one file and sums in another, which has no columns of rows.
  ToolResult<void> read_entry() {
    reader_ = make_bill_reader(file_.format, file_.currency);
    line_ = 0;
    Sha1 sha1;
    error_.reset();
    JsonRows objects([this](std::string_view object) { return row(object); });
    rest_.clear();
    std::string chunk(kChunkBytes, '\0');
    for (;;) {
      const auto size = archive_read_data(archive_.get(), chunk.data(), chunk.size());
      if (size < 0) return failed(archive_error_string(archive_.get()));
      if (size == 0) break;
      const std::string_view bytes(chunk.data(), static_cast<std::size_t>(size));
      if (!file_.sha1.empty()) sha1.add(bytes);
      if (file_.format == BillFormat::stripe ? !objects.add(bytes) : !add_lines(bytes))
        return error_ ? *error_ : failed("not a list of balance transactions", line_ + 1);
      if (progress_)
        progress_(static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), -1)), of_bytes_);
    }
    if (file_.format != BillFormat::stripe && !rest_.empty() && !row(rest_)) return *error_;
    if (!objects.complete()) return failed("the bill is cut short", line_);
    if (!file_.sha1.empty() && sha1.hex() == file_.sha1) hash_fits_ = true;
    if (!reader_->recognised() && file_.format != BillFormat::stripe) return {};
    found_ = true;
    if (const auto done = reader_->finish(); !done) return failed(done.error().message);
    if (const auto period = reader_->period()) report_.period = period;
    report_.lines += line_;
    return {};
  }

  bool add_lines(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      if (rest_.size() + std::min(end, bytes.size()) > kMaxLineBytes) {
        error_ = failed("the line is too long", line_ + 1);
        return false;
      }
      rest_.append(bytes.substr(0, end));
      if (end == std::string_view::npos) return true;
      bytes.remove_prefix(end + 1);
      if (!row(rest_)) return false;
      rest_.clear();
    }
    return true;
  }

  bool row(std::string_view text) {
    ++line_;
    const auto read = reader_->read(file_.format == BillFormat::alipay ? utf8_.of(text) : text);
    if (!read) {
      error_ = failed(read.error().message, line_);
      return false;
    }
    if (!read->has_value()) return true;
    const auto done = visit_(**read, line_);
    if (!done) error_ = done.error();
    return done.has_value();
  }

  const BillFile& file_;
  const VisitBillRow& visit_;
  const BillProgress& progress_;
  Archive archive_;
  Utf8 utf8_;
  std::unique_ptr<BillReader> reader_;
  std::string rest_;
  std::optional<ToolError> error_;
  BillFileReport report_;
  std::uint64_t of_bytes_ = 0;
  std::uint64_t line_ = 0;
  bool found_ = false;
  bool hash_fits_ = false;
};

}  // namespace

ToolResult<BillFileReport> read_bill_file(const BillFile& file, const VisitBillRow& visit,
                                          const BillProgress& progress) {
  return Reading(file, visit, progress).run();
}

}  // namespace recharge
