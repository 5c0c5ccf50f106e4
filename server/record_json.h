// Purpose: the JSON forms of records in replies: order, ledger entry, refund, exception, open work.
#pragma once

#include "core/ledger.h"
#include "core/order.h"
#include "core/outcome.h"
#include "core/payment_exception.h"
#include "server/json_text.h"

namespace recharge {

void write_order(JsonText& json, const Order& order);
void write_entry(JsonText& json, const Transfer& transfer);
void write_refund(JsonText& json, const Refund& refund);
void write_exception(JsonText& json, const PaymentException& exception);
void write_open_work(JsonText& json, const GatewayWorkAndOrder& open);
std::string waits_for(const GatewayWorkAndOrder& open);  // in plain words

}  // namespace recharge
