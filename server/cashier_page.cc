#include "server/cashier_page.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "core/qr_code.h"
#include "server/json_text.h"

namespace recharge {
namespace {

constexpr std::string_view kStyle =
    "*{box-sizing:border-box}"
    "body{margin:0;font:17px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#f2f3f5}"
    "main{max-width:26rem;margin:0 auto;padding:2rem 1rem;text-align:center}"
    ".amount{font-size:2.6rem;font-weight:600;margin:.2rem 0 1rem}"
    "section{background:#fff;border-radius:12px;padding:1.5rem 1rem}"
    "svg{display:block;width:100%;max-width:17rem;margin:0 auto 1rem}"
    "a{display:block;padding:.9rem;border-radius:8px;background:#0b66d8;color:#fff;text-decoration:none;"
    "font-weight:600;margin-top:1rem}"
    ".status{font-weight:600;margin:0}.good .status{color:#0a7d33}.bad .status{color:#b3261e}"
    "small{color:#5f6368}";

// What is shown is made by the server alone: the script only finds out that it has changed.
constexpr std::string_view kScript =
    "(()=>{const m=document.querySelector('main');if(!('wait'in m.dataset))return;let n=0;"
    "const u=location.pathname.replace(/\\/$/,'')+'/status';"
    "const ask=async()=>{try{const r=await fetch(u,{cache:'no-store'});if(r.ok){const s=await r.json();"
    "if([s.status,...s.methods].join(' ')!==m.dataset.seen){location.reload();return}}}catch{}"
    "setTimeout(ask,++n<150?2000:10000)};setTimeout(ask,2000)})()";

struct Words {
  std::string_view tag;
  std::string_view title;
  std::string_view scan;
  std::string_view open;
  std::string_view with;
  std::string_view expires;
  std::string_view not_started;
  std::string_view elsewhere;
  std::array<std::string_view, kOrderStatuses> status;
};

// The statuses stand as in OrderStatus.
constexpr Words kEnglish = {
    "en",
    "Payment",
    "Scan the code to pay",
    "Pay now",
    "With ",
    "To be paid by ",
    "The payment has not been started yet, or its code has run out: go back to the shop",
    "Go on paying on the shop's page",
    {"Waiting for the payment", "Paid, being confirmed", "Paid", "The payment failed, it can be tried again",
     "Closed", "Expired", "Refunded", "Paid, refunded in part", "Paid, the recharge is on its way"}};
constexpr Words kChinese = {"zh-CN",
                            "付款",
                            "请扫码付款",
                            "立即付款",
                            "支付方式：",
                            "请在此时间前付款：",
                            "尚未发起付款，或付款码已失效，请返回商家页面",
                            "请在商家页面继续付款",
                            {"等待付款", "已付款，确认中", "付款成功", "付款失败，可重试", "订单已关闭",
                             "订单已过期", "已退款", "付款成功，已部分退款", "已付款，正在充值"}};

constexpr bool names_every_status(const Words& words) noexcept {
  return std::none_of(words.status.begin(), words.status.end(), [](auto text) { return text.empty(); });
}
static_assert(names_every_status(kEnglish) && names_every_status(kChinese));

bool can_change(OrderStatus status) noexcept {
  return awaits_payment(status) || status == OrderStatus::paid || status == OrderStatus::recharging;
}

std::string_view look_of(OrderStatus status) noexcept {
  if (is_credited(status)) return "good";
  return can_change(status) ? "open" : "bad";
}

void append_escaped(std::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out.append("&amp;");
        break;
      case '<':
        out.append("&lt;");
        break;
      case '>':
        out.append("&gt;");
        break;
      case '"':
        out.append("&quot;");
        break;
      case '\'':
        out.append("&#39;");
        break;
      default:
        out.push_back(c);
    }
  }
}

std::string source_hash(std::string_view text) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::array<char, sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)> coded;
  sodium_bin2base64(coded.data(), coded.size(), digest.data(), digest.size(), sodium_base64_VARIANT_ORIGINAL);
  return "'sha256-" + std::string(coded.data()) + "'";
}

void write_ways_to_pay(const CashierView& view, const Words& words, std::string& out) {
  if (const auto code = QrCode::make(view.qr_text); code) {
    out.append(code->to_svg()).append("<p>").append(words.scan).append("</p>");
  }
  if (!view.h5_url.empty()) {
    out.append("<a href=\"");
    append_escaped(view.h5_url, out);
    out.append("\">").append(words.open).append("</a>");
  }
  if (view.qr_text.empty() && view.h5_url.empty())
    out.append("<p>").append(view.waits_elsewhere ? words.elsewhere : words.not_started).append("</p>");
  out.append("<small>");
  if (!view.gateway.empty()) {
    out.append(words.with);
    append_escaped(view.gateway, out);
    out.append("<br>");
  }
  const std::string expires = to_rfc3339(view.expires_at);
  out.append(words.expires).append("<time datetime=\"").append(expires).append("\">");
  out.append(expires, 0, 10).append(" ").append(expires, 11, 5).append(" UTC</time></small>");
}

}  // namespace

void write_cashier_page(const CashierView& view, CashierLanguage language, std::string& out) {
  const Words& words = language == CashierLanguage::chinese ? kChinese : kEnglish;
  const bool open = awaits_payment(view.status);
  const std::string_view status = words.status[static_cast<std::size_t>(view.status)];
  out.append("<!doctype html><html lang=\"").append(words.tag).append("\"><head><meta charset=\"utf-8\">");
  out.append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
  out.append("<meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\">");
  if (can_change(view.status)) out.append("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>");
  out.append("<title>")
      .append(words.title)
      .append("</title><style>")
      .append(kStyle)
      .append("</style></head>");
  out.append("<body><main class=\"").append(look_of(view.status)).append("\" data-seen=\"");
  out.append(to_text(view.status)).append(view.qr_text.empty() ? "" : " qr");
  out.append(view.h5_url.empty() ? "" : " h5")
      .append("\"")
      .append(can_change(view.status) ? " data-wait" : "");
  out.append("><p class=\"amount\">").append(to_text(view.amount)).append(" <small>");
  out.append(currency_code(view.currency)).append("</small></p><section>");
  if (open) write_ways_to_pay(view, words, out);
  out.append("<p class=\"status\" role=\"status\">").append(status).append("</p></section></main>");
  out.append("<script>").append(kScript).append("</script></body></html>");
}

std::string_view cashier_headers() {
  static const std::string lines =
      "Cache-Control: no-store\r\nReferrer-Policy: strict-origin\r\n"
      "Content-Security-Policy: default-src 'none'; script-src " +
      source_hash(kScript) + "; style-src " + source_hash(kStyle) +
      "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
  return lines;
}

void write_cashier_status(const CashierView& view, std::string& out) {
  JsonText json(out);
  json.begin_object().name("code").integer(200).name("status").text(to_text(view.status));
  json.name("amount").money(view.amount).name("currency").text(currency_code(view.currency));
  json.name("expires_at").time(view.expires_at).name("methods").begin_array();
  if (!view.qr_text.empty()) json.text("qr");
  if (!view.h5_url.empty()) json.text("h5");
  json.end_array().end_object();
}

}  // namespace recharge
