#include "tests/crash/image_judge.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "core/currency.h"
#include "storage/verify.h"
#include "tests/storage/temp_folder.h"

namespace recharge::testing {
namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{8} << 20;  // as the recorded server's
constexpr const char* kBooksFiles[] = {"data.mdb", "unfinished"};

template <class T>
T take(Result<T> parsed, const std::string& line) {
  if (!parsed) throw std::runtime_error("the client's list: " + line);
  return *parsed;
}

const Order* order_of(Store& store, const OrderId& id, Outcome& outcome) {
  store.group(0).execute(ReadOrder{id}, outcome);
  return std::get_if<Order>(&outcome.shown);
}

}  // namespace

ImageJudge::ImageJudge(const std::string& list,
                       const std::unordered_map<std::string, std::size_t>& acknowledged, std::string folder)
    : folder_(std::move(folder)) {
  std::ifstream lines(list);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string request, order, account, transaction;
    SentStep step;
    if (!(fields >> request >> step.kind >> order >> account >> step.effect >> transaction) ||
        !step.account.assign(account)) {
      throw std::runtime_error("the client's list: " + line);
    }
    if (order != "-") step.order_id = take(OrderId::parse(order), line);
    step.transaction_id = take(make_transaction_id(transaction), line);
    if (const auto found = acknowledged.find(request); found != acknowledged.end())
      step.acknowledged_at = found->second;
    steps_.push_back(std::move(step));
  }
  if (steps_.empty()) throw std::runtime_error("the client's list is empty");
}

std::size_t ImageJudge::acknowledged() const noexcept {
  return static_cast<std::size_t>(std::count_if(
      steps_.begin(), steps_.end(), [](const SentStep& step) { return step.acknowledged_at != SIZE_MAX; }));
}

// The books open real files.
void ImageJudge::lay_out_books(SimulatedFileSystem& image) {
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_ + "/books");
  laid_out_.clear();
  for (const auto* name : kBooksFiles) {
    const auto path = folder_ + "/books/" + name;
    if (!*image.exists(path)) continue;
    const auto bytes = image.content(path);
    auto& text = laid_out_[name];
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    write_bytes(path, text);
  }
}

bool ImageJudge::books_were_written() const {
  auto found = contents_of(folder_ + "/books");
  found.erase("lock.mdb");
  return found != laid_out_;
}

std::optional<std::string> ImageJudge::judge(SimulatedFileSystem& image, std::size_t events, Walk walk,
                                             BooksFrom from) {
  if (from == BooksFrom::image) lay_out_books(image);
  {
    StoreOptions options;
    options.data_dir = folder_;
    options.currency = *currency_from_code("CNY");
    options.segment_bytes = kSegmentBytes;
    auto store = Store::open(image, options);
    if (!store) return "it does not open: " + store.error().to_text();
    if (auto wrong = judge_records(**store, events)) return wrong;
  }
  return walk == Walk::whole_journal ? judge_journal(image) : std::nullopt;
}

std::optional<std::string> ImageJudge::judge_records(Store& store, std::size_t events) const {
  if (auto wrong = judge_orders(store, events)) return wrong;
  if (auto wrong = judge_balances(store, events)) return wrong;
  return judge_exceptions(store, events);
}

std::optional<std::string> ImageJudge::judge_orders(Store& store, std::size_t events) const {
  Outcome outcome;
  for (const auto& step : steps_) {
    if (step.acknowledged_at > events) continue;
    const auto* order = order_of(store, step.order_id, outcome);
    if (order == nullptr) return "the acknowledged order " + step.order_id.to_text() + " is not there";
    if (order->account != step.account) return "the order " + step.order_id.to_text() + " is another's";
    if (step.kind == "place" || step.kind == "debit" || step.kind == "second") continue;
    const bool refunded = order->status == OrderStatus::partially_refunded;
    const bool credited = refunded || order->status == OrderStatus::recharged;
    if (!credited || order->transaction_id != step.transaction_id || (step.kind == "refund" && !refunded))
      return "the acknowledged " + step.kind + " of " + step.order_id.to_text() + " is not there";
  }
  return std::nullopt;
}

std::optional<std::string> ImageJudge::judge_balances(Store& store, std::size_t events) const {
  std::map<Account, std::pair<std::int64_t, std::int64_t>> bounds;
  for (const auto& step : steps_) {
    auto& [low, high] = bounds[step.account];
    const bool surely = step.acknowledged_at <= events;
    if (surely || step.effect < 0) low += step.effect;
    if (surely || step.effect > 0) high += step.effect;
  }
  auto& group = store.group(0);
  Outcome outcome;
  for (const auto& [account, bound] : bounds) {
    group.execute(ReadBalance{account}, outcome);
    const auto* balance = std::get_if<Money>(&outcome.shown);
    if (balance == nullptr) return "the balance of " + std::string(account.view()) + " cannot be read";
    if (balance->minor_units() < bound.first || balance->minor_units() > bound.second) {
      return std::string(account.view()) + " holds " + to_text(*balance) + ", and must hold " +
             to_text(Money::from_minor_units(bound.first)) + " to " +
             to_text(Money::from_minor_units(bound.second));
    }
  }
  std::int64_t sum = 0;
  for (const auto& shard : group.shards()) {
    sum += shard->totals().users.minor_units();
    for (const auto& account : shard->house()) sum += account.balance.minor_units();
  }
  if (sum != 0) return "the ledger adds up to " + std::to_string(sum);
  return std::nullopt;
}

std::optional<std::string> ImageJudge::judge_exceptions(Store& store, std::size_t events) const {
  std::multiset<OrderId> kept;
  Outcome outcome;
  ListExceptions list{false, 100, {}};
  do {
    store.group(0).execute(list, outcome);
    const auto* page = std::get_if<ExceptionPage>(&outcome.shown);
    if (page == nullptr) return "the exceptions cannot be read";
    for (const auto& exception : page->exceptions) kept.insert(exception.order_id);
    list.before = page->next;
  } while (!list.before.is_nil());
  for (const auto& step : steps_) {
    if (step.kind != "second") continue;
    const auto found = kept.erase(step.order_id);
    if (found > 1) return "a payment was kept twice";
    if (found == 0 && step.acknowledged_at <= events) return "an acknowledged exception is not there";
  }
  if (!kept.empty()) return "a payment was kept without reason";
  return std::nullopt;
}

std::optional<std::string> ImageJudge::judge_journal(SimulatedFileSystem& image) const {
  // The start made or wrote the books as real files; what walks the journal may look for them on the disk.
  const auto disk = image.after_kill();
  static_cast<void>(disk->make_directory(folder_ + "/books"));
  const auto path = folder_ + "/books/data.mdb";
  const auto books = bytes_of_file(path);
  if (!*disk->exists(path)) static_cast<void>(disk->create(path));
  auto file = disk->open(path, FileSystem::Access::read_write);
  if (!file || !(*file)->write_at(0, std::as_bytes(std::span(books)))) return "the books cannot be laid out";
  file->reset();
  disk->truncate(path, books.size());
  auto report = verify_data_folder(*disk, {folder_, std::filesystem::temp_directory_path().string(), false});
  if (!report) return "it cannot be verified: " + report.error().to_text();
  if (!report->clean()) return "verify: " + report->findings.front();
  return std::nullopt;
}

}  // namespace recharge::testing
