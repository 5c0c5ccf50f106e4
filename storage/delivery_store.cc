#include "storage/delivery_store.h"

#include <lmdb.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/codec.h"

namespace recharge {
namespace {

constexpr std::size_t kMapBytes = std::size_t{4} << 30;  // the file grows with use
constexpr std::size_t kMaxRecordBytes = 64 << 10;
constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kFormatWithUrl = 2;

boost::system::error_code code_of(int status) noexcept {
  if (status > 0) return {status, boost::system::generic_category()};
  return status == MDB_MAP_FULL ? make_error_code(Errc::full) : make_error_code(Errc::damaged);
}

// The archive keeps views; texts are copied.
void text_field(ByteWriter& writer, const std::string& text) noexcept { writer.bytes(text); }
void text_field(ByteReader& reader, std::string& text) {
  const std::uint64_t size = reader.varint();
  if (!reader.ok() || size > kMaxRecordBytes) return reader.fail();
  const std::byte* from = reader.take(static_cast<std::size_t>(size));
  if (from != nullptr) text.assign(reinterpret_cast<const char*>(from), static_cast<std::size_t>(size));
}

template <class A, class D>
void fields(A& archive, D& delivery, std::uint8_t format) {
  enumerated(archive, delivery.state, DeliveryState::dead);
  text_field(archive, delivery.key);
  text_field(archive, delivery.type);
  text_field(archive, delivery.body);
  field(archive, delivery.attempts);
  field(archive, delivery.first_ms);
  field(archive, delivery.next_ms);
  field(archive, delivery.last_status);
  text_field(archive, delivery.last_error);
  if (format == kFormatWithUrl) text_field(archive, delivery.url);
}

std::string key_of(const std::string& endpoint, const EventId& id) { return endpoint + '/' + id.to_text(); }
std::string off_key(const std::string& endpoint, const std::string& key) { return endpoint + "!off/" + key; }
MDB_val view(std::string& text) noexcept { return {text.size(), text.data()}; }

}  // namespace

struct DeliveryStore::Environment {
  std::string file;
  MDB_env* env = nullptr;
  MDB_dbi table = 0;
  ~Environment() {
    if (env != nullptr) mdb_env_close(env);
  }
  StorageError error(int status, const char* what) const { return {code_of(status), file, 0, what}; }
};

DeliveryStore::DeliveryStore(std::unique_ptr<Environment> environment)
    : environment_(std::move(environment)) {}
DeliveryStore::~DeliveryStore() = default;

StorageResult<std::unique_ptr<DeliveryStore>> DeliveryStore::open(const std::string& directory) {
  auto made = std::make_unique<Environment>();
  made->file = directory + "/data.mdb";
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return made->error(errno, "making the directory");
  if (const int status = mdb_env_create(&made->env); status != 0) return made->error(status, "opening");
  mdb_env_set_mapsize(made->env, kMapBytes);
  if (const int status = mdb_env_open(made->env, directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
      status != 0)
    return made->error(status, "opening");
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(made->env, nullptr, 0, &txn); status != 0)
    return made->error(status, "beginning a transaction");
  if (const int status = mdb_dbi_open(txn, nullptr, 0, &made->table); status != 0) {
    mdb_txn_abort(txn);
    return made->error(status, "opening the table");
  }
  if (const int status = mdb_txn_commit(txn); status != 0) return made->error(status, "committing");
  return std::unique_ptr<DeliveryStore>(new DeliveryStore(std::move(made)));
}

StorageResult<void> DeliveryStore::write(const std::string& endpoint, const std::vector<Delivery>& kept,
                                         const std::vector<EventId>& done) {
  const Environment& at = *environment_;
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(at.env, nullptr, 0, &txn); status != 0)
    return at.error(status, "beginning a transaction");
  std::vector<std::byte> room(kMaxRecordBytes);
  int status = 0;
  for (const Delivery& delivery : kept) {
    ByteWriter writer(room);
    const std::uint8_t format = delivery.url.empty() ? kFormat : kFormatWithUrl;
    writer.fixed(format);
    fields(writer, delivery, format);
    if (!writer.ok()) {
      mdb_txn_abort(txn);
      return StorageError{Errc::full, at.file, 0, "a delivery is too long"};
    }
    std::string name = key_of(endpoint, delivery.id);
    MDB_val key = view(name);
    MDB_val value{writer.size(), room.data()};
    status = mdb_put(txn, at.table, &key, &value, 0);
    if (status != 0) break;
  }
  for (std::size_t i = 0; status == 0 && i < done.size(); ++i) {
    std::string name = key_of(endpoint, done[i]);
    MDB_val key = view(name);
    status = mdb_del(txn, at.table, &key, nullptr);
    if (status == MDB_NOTFOUND) status = 0;
  }
  if (status != 0) {
    mdb_txn_abort(txn);
    return at.error(status, "writing");
  }
  if (status = mdb_txn_commit(txn); status != 0) return at.error(status, "committing");
  return {};
}

StorageResult<std::vector<Delivery>> DeliveryStore::read(const std::string& endpoint) {
  const Environment& at = *environment_;
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(at.env, nullptr, MDB_RDONLY, &txn); status != 0)
    return at.error(status, "beginning a transaction");
  MDB_cursor* cursor = nullptr;
  std::vector<Delivery> found;
  int status = mdb_cursor_open(txn, at.table, &cursor);
  std::string prefix = endpoint + '/';
  MDB_val key = view(prefix);
  MDB_val value{};
  bool sound = true;
  for (MDB_cursor_op op = MDB_SET_RANGE; status == 0; op = MDB_NEXT) {
    status = mdb_cursor_get(cursor, &key, &value, op);
    if (status != 0) break;
    const std::string_view name(static_cast<const char*>(key.mv_data), key.mv_size);
    if (!name.starts_with(prefix)) break;
    const auto id = EventId::parse(name.substr(prefix.size()));
    ByteReader reader(std::span(static_cast<const std::byte*>(value.mv_data), value.mv_size));
    Delivery& delivery = found.emplace_back();
    const auto format = reader.fixed<std::uint8_t>();
    const bool format_fits = format == kFormat || format == kFormatWithUrl;
    if (format_fits) fields(reader, delivery, format);
    sound = id && format_fits && reader.at_end();
    if (!sound) break;
    delivery.id = *id;
  }
  if (cursor != nullptr) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  if (!sound) return StorageError{Errc::damaged, at.file, 0, "a delivery cannot be read"};
  if (status != 0 && status != MDB_NOTFOUND) return at.error(status, "reading");
  return found;
}

StorageResult<void> DeliveryStore::switch_off(const std::string& endpoint,
                                              const std::set<std::string>& keys) {
  return switch_all(endpoint, keys, true);
}

StorageResult<void> DeliveryStore::switch_on(const std::string& endpoint, const std::string& key) {
  return switch_all(endpoint, {key}, false);
}

StorageResult<void> DeliveryStore::switch_all(const std::string& endpoint, const std::set<std::string>& keys,
                                              bool off) {
  const Environment& at = *environment_;
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(at.env, nullptr, 0, &txn); status != 0)
    return at.error(status, "beginning a transaction");
  int status = 0;
  for (auto one = keys.begin(); status == 0 && one != keys.end(); ++one) {
    std::string name = off_key(endpoint, *one);
    std::uint8_t format = kFormat;
    MDB_val key = view(name);
    MDB_val value{sizeof format, &format};
    status = off ? mdb_put(txn, at.table, &key, &value, 0) : mdb_del(txn, at.table, &key, nullptr);
    if (status == MDB_NOTFOUND) status = 0;
  }
  if (status != 0) {
    mdb_txn_abort(txn);
    return at.error(status, "writing");
  }
  if (status = mdb_txn_commit(txn); status != 0) return at.error(status, "committing");
  return {};
}

StorageResult<bool> DeliveryStore::is_off(const std::string& endpoint, const std::string& order) {
  const Environment& at = *environment_;
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(at.env, nullptr, MDB_RDONLY, &txn); status != 0)
    return at.error(status, "beginning a transaction");
  std::string name = off_key(endpoint, order);
  MDB_val key = view(name);
  MDB_val value{};
  const int status = mdb_get(txn, at.table, &key, &value);
  mdb_txn_abort(txn);
  if (status != 0 && status != MDB_NOTFOUND) return at.error(status, "reading");
  return status == 0;
}

}  // namespace recharge
