#!/usr/bin/env bash
# Every header compiles alone, without the precompiled header and before any other.
#
#   headers_test.sh BUILD_FOLDER
#
# CMake makes one translation unit of each header in a target's header set; here they are built, and it is checked
# that no header is missing from the sets. The headers of server/ (slow: Beast) are built only where
# RECHARGE_LONG=1 or CI is set.
set -euo pipefail

build=${1:?usage: headers_test.sh BUILD_FOLDER}
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
cd "$root"

areas=(core storage)
if [ "${RECHARGE_LONG:-0}" = 1 ] || [ -n "${CI:-}" ]; then areas+=(server); fi

failed=0
count=0
targets=()
for area in "${areas[@]}"; do
  while read -r header; do
    count=$((count + 1))
    if ! grep -qF "recharge_${area}_verify_interface_header_sets/$header." "$build/compile_commands.json"; then
      echo "FAILED: $header is in no header set: CMakeLists.txt takes $area/*.h" >&2
      failed=1
    fi
  done < <(find "$area" -name '*.h' 2>/dev/null | sort)
  if compgen -G "$area/*.h" >/dev/null; then targets+=("recharge_${area}_verify_interface_header_sets"); fi
done
if [ "$count" -eq 0 ]; then
  echo "FAILED: no header found" >&2
  exit 1
fi
cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}" || failed=1
echo "headers_test: $count headers of ${areas[*]}"
exit "$failed"
