#include "tests/simulation/suppliers.h"

namespace recharge::simulation {

// A request id stands for one recharge; and who is asked under a second one may do it, so that the first must
// be known to have done nothing.
Suppliers::Request& Suppliers::take(const std::string& request_id, const Request& asked) {
  const auto order = asked.order.to_text();
  for (auto it = requests_.lower_bound(order); it != requests_.end() && it->first.starts_with(order); ++it) {
    const auto& [id, known] = *it;
    const bool did_nothing = known.state == State::failed || known.state == State::rejected;
    if (id != request_id && !did_nothing)
      wrong_ = request_id + " is asked of " + asked.supplier + ", and " + known.supplier + " may do " + id;
  }
  const auto [found, fresh] = requests_.try_emplace(request_id, asked);
  auto& request = found->second;
  if (request.order != asked.order || request.supplier != asked.supplier || request.amount != asked.amount)
    wrong_ = request_id + " stands for two recharges";
  return request;
}

SupplierAnswerKind Suppliers::go_on(Request& request, Draws& draws, bool calm) {
  const bool fresh = request.state == State::under_way;
  if (fresh || (request.state == State::processing && (calm || draws.one_in(2)))) {
    const auto drawn = draws.below(calm ? 8 : 10);
    request.state = drawn < 5   ? State::done
                    : drawn < 7 ? State::failed
                    : drawn < 8 ? State::rejected
                                : State::processing;
  }
  switch (request.state) {
    case State::done:
      return SupplierAnswerKind::succeeded;
    case State::failed:
      return SupplierAnswerKind::failed;
    case State::rejected:
      return SupplierAnswerKind::rejected;
    case State::under_way:
    case State::processing:
      break;
  }
  return SupplierAnswerKind::processing;
}

SupplierAnswerKind Suppliers::ask(const std::string& request_id, const Request& asked, Draws& draws,
                                  bool calm) {
  return go_on(take(request_id, asked), draws, calm);
}

SupplierAnswerKind Suppliers::query(const std::string& request_id, const std::string& supplier, Draws& draws,
                                    bool calm) {
  const auto found = requests_.find(request_id);
  if (found == requests_.end() || found->second.state == State::under_way)
    return SupplierAnswerKind::not_found;
  if (found->second.supplier != supplier) wrong_ = supplier + " is queried for what another was asked";
  return go_on(found->second, draws, calm);
}

void Suppliers::send(const std::string& request_id, const Request& asked) { take(request_id, asked); }

std::size_t Suppliers::arrive() {
  std::size_t arrived = 0;
  for (auto& [id, request] : requests_) {
    if (request.state != State::under_way) continue;
    request.state = State::processing;
    ++arrived;
  }
  return arrived;
}

}  // namespace recharge::simulation
