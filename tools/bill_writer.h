// Purpose: a bill as a gateway makes it, out of its rows. Owner: one thread. Lifetime: values. Errors: throws
// std::runtime_error where libarchive or iconv fail. Source: as in core/*_bill.cc.
#pragma once

#include <string>
#include <vector>

#include "core/bill.h"

namespace recharge {

// alipay: a zip of detail and summary in GBK; wechat: CSV with sums; stripe: a list; plain: CSV.
std::string write_bill(BillFormat format, const std::vector<BillRow>& rows, const BillPeriod& period);

// One object of a Stripe list. number: of its own id.
std::string stripe_transaction_json(const BillRow& row, std::size_t number);

}  // namespace recharge
