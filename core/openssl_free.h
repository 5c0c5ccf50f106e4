// Purpose: a std::unique_ptr's deleter for OpenSSL's objects: std::unique_ptr<BIO, OpensslFree<BIO_free>>.
#pragma once

namespace recharge {

template <auto function>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const noexcept {
    function(object);
  }
};

}  // namespace recharge
