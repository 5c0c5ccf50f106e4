// Purpose: the listening socket that systemd hands over, so that who connects while the server is started
// anew waits and is not refused. Owner: the main thread, at the start. Errors: SettingsError where what was
// handed over is no such socket. Source: sd_listen_fds(3).
#pragma once

#include <optional>

#include "server/settings.h"

namespace recharge {

struct InheritedSocket {
  int fd;  // close-on-exec and non-blocking
  ListenAddress address;
};

// None: nothing was handed over. Only once: the environment is cleared of it.
std::optional<InheritedSocket> take_inherited_socket();

// Where a socket is bound. Throws std::runtime_error.
ListenAddress bound_address(int fd);

}  // namespace recharge
