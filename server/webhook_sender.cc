#include "server/webhook_sender.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <random>
#include <stdexcept>

#include "core/header_lines.h"
#include "server/event_json.h"
#include "server/log.h"
#include "server/public_address.h"
#include "storage/thread_role.h"

namespace recharge {
namespace {

constexpr std::int64_t kAfterErrorMs = 1000;
constexpr std::int64_t kMaxRetryAfterS = 86'400;

std::int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

HttpClientOptions client_options(const WebhookSettings& settings) {
  HttpClientOptions options;
  options.limits.max_calls = settings.concurrency;
  options.limits.max_connections = options.limits.max_connections_per_host = settings.concurrency;
  options.limits.timeout = std::chrono::milliseconds(settings.timeout_ms);
  options.limits.max_answer_bytes = 16 << 10;
  options.thread_name = "webhook http";
  options.urgency = Urgency::outgoing;
  options.ca_file = settings.ca_file.string();
  if (!settings.allow_private) options.allow_address = &is_public_address;
  return options;
}

// The longest time before the next attempt, a fifth more or less, so that many do not come at once.
std::int64_t with_jitter(std::int64_t ms) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return ms + ms / 5 * (static_cast<std::int64_t>(random() % 2001) - 1000) / 1000;
}

// Seconds, or the date of an end of them (RFC 9110, 10.2.3).
std::int64_t retry_after_ms(const HttpAnswer& answer, std::int64_t now_ms) {
  const std::string text(single_header(answer.header_lines, "Retry-After"));
  std::int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure == std::errc{} && end == text.data() + text.size()) {
    return std::clamp<std::int64_t>(seconds, 0, kMaxRetryAfterS) * 1000;
  }
  const time_t date_s = text.ends_with("GMT") ? ::curl_getdate(text.c_str(), nullptr) : -1;
  return date_s < 0 ? 0 : std::clamp<std::int64_t>(date_s * 1000 - now_ms, 0, kMaxRetryAfterS * 1000);
}

// An address that was allowed once need not be so still.
bool may_send(const WebhookSettings& settings, const Delivery& delivery) {
  return !settings.takes_url || settings.takes_url(delivery.url);
}

// A place just before the event: what comes after it begins with the event.
EventId before(EventId id) noexcept {
  --id.fact;
  return id;
}

}  // namespace

WebhookSender::WebhookSender(const WebhookSettings& settings, const Sources& sources,
                             std::shared_ptr<const WebhookSigner> signer, std::unique_ptr<NotifyUrls> urls)
    : settings_(settings),
      subscriber_(settings.subscriber.empty() ? "webhook-" + settings.name : settings.subscriber),
      sources_(sources),
      urls_(std::move(urls)),
      given_up_(urls_ ? GivenUpEvents::kMostOfAHost : GivenUpEvents::kAll),
      signer_(std::move(signer)) {
  const auto cursor = sources_.cursors->attach(subscriber_, latest_place(sources_.journal));
  if (!cursor) throw std::runtime_error(cursor.error().to_text());
  load();
  client_ = std::make_unique<HttpClient>(client_options(settings_));
  thread_ = std::thread(&WebhookSender::run, this);
}

WebhookSender::~WebhookSender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  client_->stop();
}

void WebhookSender::load() {
  auto stored = sources_.store->read(settings_.name);
  if (!stored) throw std::runtime_error(stored.error().to_text());
  for (Delivery& delivery : *stored) {
    if (delivery.state == DeliveryState::waiting && may_send(settings_, delivery)) {
      add(std::move(delivery), true);
    } else {
      if (const auto too_old = given_up_.add(delivery.id)) done_.push_back(*too_old);
    }
  }
}

void WebhookSender::ask(Wish wish, const EventId& id) {
  {
    const std::lock_guard lock(mutex_);
    wishes_.emplace_back(wish, id);
  }
  wake_.notify_one();
}

void WebhookSender::add_to(SubscriberMetrics& metrics) const {
  metrics.delivered = delivered_.load(std::memory_order_relaxed);
  metrics.failed = failed_.load(std::memory_order_relaxed);
  metrics.waiting = waiting_.load(std::memory_order_relaxed);
}

void WebhookSender::take_over(std::shared_ptr<const WebhookSigner> signer) {
  const std::lock_guard lock(mutex_);
  signer_ = std::move(signer);
}

void WebhookSender::run() {
  begin_thread("webhook", Urgency::outgoing);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    grant_wishes();
    take_results();
    if (sources_.cursors->get(subscriber_).state == SubscriberState::active && wall_ms() >= quiet_until_ms_) {
      take_events();
      if (urls_) {
        if (const auto rested = urls_->rest(); !rested)
          log_error("webhook " + settings_.name + ": " + rested.error().to_text());
      }
      send_due();
    }
    note(false);
    waiting_.store(open_.size() - flying_, std::memory_order_relaxed);
    sleep();
  }
  take_results();
  note(true);
}

void WebhookSender::sleep() {
  const auto rest = spare_.rest();
  std::unique_lock lock(mutex_);
  if (rest.count() > 0) {
    wake_.wait_for(lock, rest, [this] { return stopping_ || !wishes_.empty(); });
    return;
  }
  wake_.wait_for(lock, std::chrono::milliseconds(kPollMs),
                 [this] { return stopping_ || !results_.empty() || !wishes_.empty(); });
}

void WebhookSender::lose(const std::string& why) {
  log_error("webhook " + settings_.name + " is lost: " + why + "; make it begin anew");
  reader_ = nullptr;
  if (auto set = sources_.cursors->set_state(subscriber_, SubscriberState::lost); !set)
    log_error("webhook " + settings_.name + ": " + set.error().to_text());
}

void WebhookSender::begin_reading() {
  EventId from = done_before_ = sources_.cursors->get(subscriber_).after;
  if (urls_) {
    const auto begun = urls_->begin(from);
    if (!begun) return rest_after_error(begun.error().to_text());
    from = *begun;
  }
  reader_ = std::make_unique<EventReader>(sources_.journal);
  const auto sought = reader_->seek(from);
  if (sought) return;
  if (sought.error().is(Errc::not_found)) return lose("events that it has not seen are not kept any more");
  rest_after_error(sought.error().to_text());
}

void WebhookSender::rest_after_error(const std::string& what) {
  log_error("webhook " + settings_.name + ": " + what);
  reader_ = nullptr;
  quiet_until_ms_ = wall_ms() + kAfterErrorMs;
}

// False: the event is not for this host. What cannot be read of one order holds up no other.
bool WebhookSender::address(const Event& event, Delivery& delivery) {
  const OrderId order_id = order_of(event);
  if (order_id.is_nil() || event.type == EventType::recharge_requested) return false;  // that is for workers
  const auto url = urls_->find(order_id);
  if (!url) log_error("webhook " + settings_.name + ": " + url.error().to_text() + "; an event is not told");
  if (!url || !*url || !settings_.takes_url((*url)->view()) || is_off(order_id.to_text())) return false;
  delivery.url = (*url)->view();
  return true;
}

bool WebhookSender::is_off(const std::string& key) {
  if (off_.contains(key)) return true;
  const auto off = sources_.store->is_off(settings_.name, key);
  if (!off) log_error("webhook " + settings_.name + ": " + off.error().to_text());
  return off && *off;
}

bool WebhookSender::wants(const Event& event) const {
  const auto& types = settings_.events;
  return types.empty() || std::find(types.begin(), types.end(), to_text(event.type)) != types.end();
}

void WebhookSender::take_events() {
  if (!reader_) begin_reading();
  while (reader_ && open_.size() < kMaxOpen && !has_ready(kReadAhead * settings_.concurrency)) {
    auto next = reader_->next();
    if (!next) {
      const bool gone = next.error().is(Errc::not_found);
      if (gone) return lose("events that it has not seen are not kept any more");
      return rest_after_error(next.error().to_text());
    }
    if (*next == nullptr) return;
    const Event& event = **next;
    const auto* placed_at = std::get_if<NotifyAddress>(&event.detail);
    if (urls_ && placed_at != nullptr && settings_.takes_url(placed_at->url.view()))
      urls_->remember(*placed_at, event.id);
    if (event.id <= done_before_) continue;
    read_wall_ms_ = reader_->wall_ms();
    if (!wants(event) || open_.contains(event.id) || given_up_.contains(event.id)) continue;
    Delivery delivery;
    if (urls_ && !address(event, delivery)) continue;
    delivery.id = event.id;
    delivery.key = ordering_key(event);
    delivery.type = to_text(event.type);
    delivery.body = event_json(event);
    add(std::move(delivery), false);
  }
}

// Whether so many could be sent at once.
bool WebhookSender::has_ready(std::size_t count) const {
  return due_.size() >= count &&
         std::next(due_.begin(), static_cast<std::ptrdiff_t>(count) - 1)->first <= wall_ms();
}

void WebhookSender::add(Delivery delivery, bool kept) {
  const EventId id = delivery.id;
  auto& line = lines_[delivery.key];
  const auto place = std::lower_bound(line.begin(), line.end(), id);
  const bool first = place == line.begin();
  if (first && !line.empty()) due_.erase({open_.at(line.front()).delivery.next_ms, line.front()});
  line.insert(place, id);
  if (first) due_.insert({delivery.next_ms, id});
  open_[id] = {std::move(delivery), kept, false, wall_ms()};
}

void WebhookSender::send_due() {
  const std::int64_t now = wall_ms();
  // Where everything fails, one at a time is enough, ever more rarely: a dead endpoint costs next to nothing.
  const bool all_fail = streak_ >= settings_.concurrency;
  if (all_fail && (flying_ > 0 || now < probe_ms_)) return;
  const std::size_t at_once = all_fail ? 1 : settings_.concurrency;
  while (!due_.empty() && due_.begin()->first <= now && flying_ < at_once) {
    const EventId id = due_.begin()->second;
    due_.erase(due_.begin());
    send(open_.at(id));
  }
}

void WebhookSender::send(Open& open) {
  Delivery& delivery = open.delivery;
  const EventId id = delivery.id;
  const std::string name = id.to_text();
  const std::int64_t now = wall_ms();
  const std::string timestamp = std::to_string(now / 1000);
  std::shared_ptr<const WebhookSigner> signer;
  {
    const std::lock_guard lock(mutex_);
    signer = signer_;
  }
  HttpCall call;
  call.method = "POST";
  call.url = delivery.url.empty() ? settings_.url : delivery.url;
  call.headers = {{"Content-Type", "application/json"},
                  {"webhook-id", name},
                  {"webhook-timestamp", timestamp},
                  {"webhook-signature", signer->sign(name, timestamp, delivery.body)}};
  call.body = delivery.body;
  if (delivery.first_ms == 0) delivery.first_ms = now;
  open.flying = true;
  ++flying_;
  const bool submitted = client_->submit(std::move(call), [this, id](HttpAnswer&& answer) {
    {
      const std::lock_guard lock(mutex_);
      results_.push_back({id, std::move(answer)});
    }
    wake_.notify_one();
  });
  if (submitted) return;
  open.flying = false;
  --flying_;
  due_.insert({delivery.next_ms, id});
  quiet_until_ms_ = now + kPollMs;
}

void WebhookSender::take_results() {
  std::vector<Result> results;
  {
    const std::lock_guard lock(mutex_);
    results.swap(results_);
  }
  for (const Result& result : results) {
    Open& open = open_.at(result.id);
    open.flying = false;
    --flying_;
    take_result(open, result.answer);
  }
}

void WebhookSender::take_result(Open& open, const HttpAnswer& answer) {
  const bool answered = answer.kind == HttpAnswer::Kind::answered;
  ++open.delivery.attempts;
  if (answered && answer.status >= 200 && answer.status < 300) {
    delivered_.fetch_add(1, std::memory_order_relaxed);
    streak_ = 0;
    if (open.kept) done_.push_back(open.delivery.id);
    if (open.kept && urls_) switch_on(open.delivery.key);
    return finish(open.delivery.id);
  }
  failed_.fetch_add(1, std::memory_order_relaxed);
  ++streak_;
  const unsigned beyond = streak_ > settings_.concurrency ? streak_ - settings_.concurrency : 0;
  probe_ms_ = wall_ms() + std::min(kLongestProbeMs, std::int64_t{250} << std::min(beyond, 10U));
  open.delivery.last_status = answered ? answer.status : 0;
  open.delivery.last_error = answered ? "answered " + std::to_string(answer.status) : answer.error;
  if (answered && answer.status == 410 && urls_) return switch_off(open.delivery.id);
  if (answered && answer.status == 410) {
    log_warning("webhook " + settings_.name + " is switched off: its endpoint answered 410");
    if (auto set = sources_.cursors->set_state(subscriber_, SubscriberState::off); !set)
      log_error("webhook " + settings_.name + ": " + set.error().to_text());
  }
  try_later(open, answer);
}

void WebhookSender::try_later(Open& open, const HttpAnswer& answer) {
  Delivery& delivery = open.delivery;
  const EventId id = delivery.id;
  const std::size_t attempt = delivery.attempts - 1;
  if (attempt >= settings_.retries_ms.size()) {
    log_warning("webhook " + settings_.name + ": " + id.to_text() + " is given up after " +
                std::to_string(delivery.attempts) + " attempts: " + log_safe(delivery.last_error));
    return give_up(open);
  }
  const std::int64_t now_ms = wall_ms();
  delivery.next_ms =
      now_ms + std::max(with_jitter(settings_.retries_ms[attempt]), retry_after_ms(answer, now_ms));
  changed_.insert(id);
  due_.insert({delivery.next_ms, id});
}

void WebhookSender::give_up(Open& open) {
  const EventId id = open.delivery.id;
  open.delivery.state = DeliveryState::dead;
  dead_.push_back(open.delivery);
  if (const auto too_old = given_up_.add(id)) done_.push_back(*too_old);
  finish(id);
}

// The order's address wants no more: the event is given up, what else waits for it is dropped, and what
// happens to the order from now on is not sent.
void WebhookSender::switch_off(const EventId& id) {
  const std::string key = open_.at(id).delivery.key;
  log_warning("webhook " + settings_.name + ": the address of order " + key +
              " is switched off: it answered 410 to " + id.to_text());
  off_.insert(key);
  give_up(open_.at(id));
  const auto line = lines_.find(key);
  if (line == lines_.end()) return;
  const std::vector<EventId> others(line->second.begin(), line->second.end());
  for (const EventId& other : others) {
    const Open& open = open_.at(other);
    if (open.flying) continue;
    due_.erase({open.delivery.next_ms, other});
    if (open.kept) done_.push_back(other);
    finish(other);
  }
}

// It took what was sent to it anew.
void WebhookSender::switch_on(const std::string& key) {
  if (!is_off(key)) return;
  off_.erase(key);
  if (const auto on = sources_.store->switch_on(settings_.name, key); !on)
    log_error("webhook " + settings_.name + ": " + on.error().to_text());
}

void WebhookSender::finish(const EventId& id) {
  const auto found = open_.find(id);
  const auto line = lines_.find(found->second.delivery.key);
  line->second.erase(std::find(line->second.begin(), line->second.end(), id));
  changed_.erase(id);
  open_.erase(found);
  if (line->second.empty()) {
    lines_.erase(line);
  } else if (const EventId& next = line->second.front(); !open_.at(next).flying) {
    due_.insert({open_.at(next).delivery.next_ms, next});
  }
}

// First what waits and what is done goes to the store; then the cursor moves past all of that.
void WebhookSender::note(bool all) {
  const std::int64_t now = wall_ms();
  if (!reader_ && changed_.empty() && done_.empty() && dead_.empty() && off_.empty()) return;
  if (!all && now - noted_ms_ < kNoteMs) return;
  noted_ms_ = now;
  for (const auto& [id, open] : open_) {
    if (open.kept) continue;
    if (!all && changed_.size() >= kNotedAtOnce) break;
    // Behind one that failed it waits long.
    const bool held_up = open_.at(lines_.at(open.delivery.key).front()).delivery.attempts > 0;
    if (held_up || now - open.read_ms >= kKeptAfterMs) changed_.insert(id);
  }
  if (!off_.empty()) {
    if (const auto written = sources_.store->switch_off(settings_.name, off_); !written) {
      quiet_until_ms_ = now + kAfterErrorMs;
      return log_error("webhook " + settings_.name + ": " + written.error().to_text());
    }
    off_.clear();
  }
  if (!changed_.empty() || !done_.empty() || !dead_.empty()) {
    std::vector<Delivery> kept = dead_;
    for (const EventId& id : changed_) kept.push_back(open_.at(id).delivery);
    if (auto written = sources_.store->write(settings_.name, kept, done_); !written) {
      log_error("webhook " + settings_.name + ": " + written.error().to_text());
      quiet_until_ms_ = now + kAfterErrorMs;
      return;
    }
    for (const EventId& id : changed_) open_.at(id).kept = true;
    changed_.clear();
    done_.clear();
    dead_.clear();
  }
  if (!reader_) return;
  EventId place = std::max(reader_->resume_point(), done_before_);
  std::int64_t place_ms = read_wall_ms_ == 0 ? now : read_wall_ms_;
  for (const auto& [id, open] : open_) {
    if (open.kept) continue;
    place = before(id);
    place_ms = std::min(place_ms, open.read_ms);
    break;
  }
  if (auto moved = sources_.cursors->advance(subscriber_, place, place_ms); !moved)
    log_error("webhook " + settings_.name + ": " + moved.error().to_text());
}

void WebhookSender::grant_wishes() {
  std::vector<std::pair<Wish, EventId>> wishes;
  {
    const std::lock_guard lock(mutex_);
    wishes.swap(wishes_);
  }
  for (const auto& [wish, id] : wishes) {
    StorageResult<void> done;
    if (wish == Wish::pause) {
      done = sources_.cursors->set_state(subscriber_, SubscriberState::paused);
    } else if (wish == Wish::resume) {
      done = sources_.cursors->set_state(subscriber_, SubscriberState::active);
    } else if (wish == Wish::restart) {
      const auto first = oldest_place(sources_.journal);
      done = first ? sources_.cursors->restart(subscriber_, *first, wall_ms())
                   : StorageResult<void>(first.error());
      reader_ = nullptr;
    } else {
      note(true);
      auto stored = sources_.store->read(settings_.name);
      if (!stored) {
        done = stored.error();
      } else {
        for (Delivery& delivery : *stored) {
          if (delivery.state != DeliveryState::dead || (!id.is_nil() && delivery.id != id)) continue;
          if (!may_send(settings_, delivery)) continue;
          delivery.state = DeliveryState::waiting;
          delivery.attempts = 0;
          delivery.next_ms = 0;
          given_up_.remove(delivery.id);
          changed_.insert(delivery.id);
          add(std::move(delivery), true);
        }
      }
    }
    if (!done) log_error("webhook " + settings_.name + ": " + done.error().to_text());
  }
}

}  // namespace recharge
