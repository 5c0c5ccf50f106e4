// The command-line tool: everything is in the verbs.
#include "tools/tool.h"

int main(int argc, char** argv) { return static_cast<int>(recharge::run_tool(argc, argv)); }
