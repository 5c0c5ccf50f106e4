#!/usr/bin/env bash
# Tests tools/check_layers: a clean tree passes, this repository passes, and each kind of violation, alone in an
# otherwise clean tree, is refused with a message that names it.
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
cases=0

# A small tree in which every folder uses all that it may use.
make_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree"/{core,storage,server,tools,bench,tests/core,build/x,data,.git}
  cd "$work/tree"
  printf '#pragma once\n#include <string>\n#include <chrono>\n#include <sodium.h>\n' >core/a.h
  printf '#include "core/a.h"\n// like system_clock, which is not used; #include "server/d.h"\n' >core/a.cc
  printf '/* #include "storage/b.h"\n#include <thread> */\nconst char* t = "std::random_device(1)";\n' >core/b.cc
  printf "constexpr int k = 1'000'000;  // std::time(nullptr)\\nint f(Clockless c) { return c.time(); }\\n" >core/c.cc
  printf '#include <thread>\n#include <lmdb.h>\n#include "core/a.h"\n#include "storage/b.h"\n' >storage/b.cc
  printf '#pragma once\n' >storage/b.h
  printf '#include <boost/asio.hpp>\n#include "core/a.h"\n#include "storage/b.h"\n#include "server/d.h"\n' >server/d.cc
  printf '#pragma once\n' >server/d.h
  printf '#include "core/a.h"\n#include "storage/b.h"\n' >tools/e.cc
  printf '#include "core/a.h"\n#include "server/d.h"\n' >bench/f_bench.cc
  printf '#include "server/d.h"\n#include "core/a.h"\n' >tests/core/g_test.cc
  printf '#include "server/d.h"\n' >build/x/generated.cc
}

run() {
  status=0
  "$root/tools/check_layers" "$1" >"$work/out" 2>&1 || status=$?
}

report() {  # name, what went wrong
  echo "FAILED: $1: $2"
  sed 's/^/    /' "$work/out"
  failed=$((failed + 1))
}

passes() {  # name
  cases=$((cases + 1))
  run "$work/tree"
  if [ "$status" -ne 0 ]; then report "$1" "expected to pass, exit code $status"; fi
}

# Adds one line to one file of a clean tree. The one failure must be at this place, with these words.
refused() {  # file, line, words
  cases=$((cases + 1))
  make_tree
  printf '%s\n' "$2" >>"$1"
  local place
  place="$1:$(wc -l <"$1"): "
  run "$work/tree"
  if [ "$status" -ne 1 ]; then
    report "$1: $2" "expected exit code 1, got $status"
  elif ! grep -F "$place" "$work/out" | grep -qF "$3"; then
    report "$1: $2" "expected '$place' and '$3'"
  elif ! grep -q ' 1 failures' "$work/out"; then
    report "$1: $2" "expected exactly one failure"
  fi
}

make_tree
passes 'clean tree'

# Upward and sideways.
refused core/a.h '#include "storage/b.h"' 'upward include'
refused core/a.cc '#include "server/d.h"' 'upward include'
refused core/a.cc '  #  include  "tools/x.h"' 'upward include'
refused core/a.cc '#include "tests/x.h"' 'upward include'
refused core/a.cc '#include "bench/x.h"' 'upward include'
refused core/a.cc '#include <server/d.h>' 'upward include'
refused storage/b.h '#include "server/d.h"' 'upward include'
refused storage/b.cc '#include "tools/x.h"' 'upward include'
refused server/d.cc '#include "tools/x.h"' 'upward include'
refused server/d.cc '#include "tests/x.h"' 'upward include'
refused tools/e.cc '#include "server/d.h"' 'upward include'
refused bench/f_bench.cc '#include "tests/x.h"' 'upward include'
refused core/b.cc 'const char* url = "http://x"; /* " */
#include "server/d.h"' 'upward include'

# Paths that would get round the rule.
refused core/a.cc '#include "../server/d.h"' 'write it from the repository root'
refused core/a.cc '#include "core/../server/d.h"' 'write it from the repository root'
refused core/a.cc '#include "a.h"' 'write it from the repository root'
refused core/a.cc '#include "/usr/include/x.h"' 'write it from the repository root'
refused core/a.cc '#include <core/a.h>' 'goes in quotes'
refused core/a.cc '#include SOME_MACRO' 'include of a macro'

# What core may not use.
for header in boost/asio.hpp boost/asio/ip/tcp.hpp boost/beast/http.hpp lmdb.h fstream filesystem iostream thread \
  mutex random ctime unistd.h sys/stat.h spdlog/spdlog.h curl/curl.h; do
  refused core/a.cc "#include <$header>" "may not include <$header>"
done
for use in 'auto t = std::chrono::system_clock::now();' 'using C = std::chrono::steady_clock;' \
  'auto t = std::time(nullptr);' 'auto t = ::time(nullptr);' 'std::random_device device;' \
  'randombytes_buf(p, 8);' 'auto f = std::fopen(name, "r");' 'auto e = std::getenv(name);'; do
  refused core/c.cc "$use" 'core/ has no clock, randomness, threads or I/O'
done

# What the others may not use.
refused storage/b.cc '#include <boost/asio/post.hpp>' 'may not include <boost/asio/post.hpp>'
refused storage/b.cc '#include <boost/beast.hpp>' 'may not include <boost/beast.hpp>'
refused server/d.cc '#include <lmdb.h>' 'may not include <lmdb.h>'

# Folders at the top.
cases=$((cases + 1))
make_tree
mkdir "$work/tree/utils"
run "$work/tree"
if [ "$status" -ne 1 ] || ! grep -q '^utils/: no folder of this name' "$work/out"; then
  report 'utils/ at the top' 'expected it to be refused'
fi

# A long file is a warning and nothing more.
cases=$((cases + 1))
make_tree
yes '// line' | head -n 301 >"$work/tree/core/long.cc" || true
run "$work/tree"
if [ "$status" -ne 0 ] || ! grep -q '^warning: core/long.cc: 301 lines' "$work/out"; then
  report 'long file' 'expected a warning and exit code 0'
fi

# A check of nothing is no check.
cases=$((cases + 1))
mkdir "$work/empty"
run "$work/empty"
if [ "$status" -ne 1 ]; then report 'empty tree' "expected exit code 1, got $status"; fi

cases=$((cases + 1))
run "$root"
if [ "$status" -ne 0 ]; then report 'this repository' "expected to pass, exit code $status"; fi

echo "check_layers_test: $cases cases, $failed failed"
[ "$failed" -eq 0 ]
