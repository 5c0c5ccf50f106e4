#include "server/application.h"

// Read by jemalloc at its start. Records grow by megabytes a second: in huge pages that takes a tenth of the
// page faults.
extern "C" {
extern const char* malloc_conf;
[[gnu::used]] const char* malloc_conf = "thp:always";
}

int main(int argc, char** argv) { return recharge::run_application(argc, argv, &recharge::open_engine); }
