// Purpose: where whoever placed an order wants to be told of it: one address an order, given with its placing
// and never changed, kept beside the order as long as the order is. Lifetime: trivially copyable records,
// owned by the shard of their order.
#pragma once

#include "core/fixed_text.h"
#include "core/uuid.h"

namespace recharge {

using NotifyUrl = FixedText<512, struct NotifyUrlTag>;  // https or http; may carry a secret of its owner's

struct NotifyAddress {
  OrderId order_id;
  NotifyUrl url;
};

}  // namespace recharge
