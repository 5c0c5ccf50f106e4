#include "core/error.h"

#include <string>

namespace recharge {
namespace {

// Boost's base class has a protected destructor that is not virtual: nobody deletes a category through it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "recharge"; }
  std::string message(int code) const override {
    switch (static_cast<Errc>(code)) {
      case Errc::invalid_text:
        return "invalid text";
      case Errc::out_of_range:
        return "value out of range";
      case Errc::overflow:
        return "arithmetic overflow";
      case Errc::too_long:
        return "too long";
      case Errc::duplicate_name:
        return "duplicate name";
      case Errc::nested_value:
        return "nested value";
      case Errc::invalid_signature:
        return "invalid signature";
      case Errc::truncated:
        return "truncated";
      case Errc::damaged:
        return "damaged";
      case Errc::newer_format:
        return "written by a newer version";
      case Errc::full:
        return "no room";
      case Errc::not_found:
        return "not found";
      case Errc::in_use:
        return "in use by another process";
    }
    return "unknown error";
  }
};
#pragma GCC diagnostic pop

}  // namespace

const boost::system::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

boost::system::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

}  // namespace recharge
