#include "server/application.h"

int main(int argc, char** argv) { return recharge::run_application(argc, argv, &recharge::open_engine); }
