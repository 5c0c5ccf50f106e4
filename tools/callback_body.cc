#include "tools/callback_body.h"

namespace recharge {

std::string callback_body(const CallbackFields& fields) {
  std::string body;
  body.reserve(256);
  body.append("{\"order_id\":\"").append(fields.order_id);
  body.append("\",\"transaction_id\":\"").append(fields.transaction_id);
  body.append("\",\"amount\":").append(fields.amount);
  body.append(",\"status\":\"").append(fields.status);
  body.append("\",\"timestamp\":").append(std::to_string(fields.timestamp));
  if (fields.paid_at != 0) body.append(",\"paid_at\":").append(std::to_string(fields.paid_at));
  return body.append("}");
}

std::string callback_canonical_text(const CallbackFields& fields) {
  std::string text;
  text.reserve(224);
  text.append("amount=").append(fields.amount);
  text.append("&order_id=").append(fields.order_id);
  if (fields.paid_at != 0) text.append("&paid_at=").append(std::to_string(fields.paid_at));
  text.append("&status=").append(fields.status);
  text.append("&timestamp=").append(std::to_string(fields.timestamp));
  text.append("&transaction_id=").append(fields.transaction_id);
  return text;
}

std::string signed_callback_body(const CallbackFields& fields, CallbackSigner& signer,
                                 std::string_view signature) {
  std::string body = callback_body(fields);
  body.pop_back();
  body.append(",\"signature\":\"");
  if (signature.empty()) {
    body.append(signer.signature_of(callback_canonical_text(fields)));
  } else {
    body.append(signature);
  }
  return body.append("\"}");
}

}  // namespace recharge
