#!/usr/bin/env bash
# Tests the scripts of tools/ where they decide something, with stand-ins for what they start.
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() {  # name, expected, actual
  if [ "$2" != "$3" ]; then
    printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
    failed=$((failed + 1))
  fi
}

# A repository in which nothing is installed or built, and recharged prints what it was given.
repository="$work/a repository"
mkdir -p "$repository/tools" "$repository/build/release/bin" "$work/elsewhere"
cp "$root/tools/run" "$repository/tools/run"
printf '#!/bin/sh\necho "install $*" >>"%s/calls"\n' "$work" >"$repository/tools/install-packages"
printf '#!/bin/sh\necho "build $*" >>"%s/calls"\nexit "${FAKE_BUILD:-0}"\n' "$work" >"$repository/tools/build"
cat >"$repository/build/release/bin/recharged" <<'END'
#!/bin/sh
printf '<%s>' "$@"
echo
if [ -n "$FAKE_WAIT" ]; then trap 'echo drained; exit 0' TERM; echo "$$"; while :; do sleep 0.05; done; fi
exit "${FAKE_EXIT:-0}"
END
chmod +x "$repository"/tools/* "$repository/build/release/bin/recharged"
unset SUDO_UID SUDO_GID SUDO_USER RECHARGED_STORE__DATA_DIR FAKE_WAIT FAKE_EXIT FAKE_BUILD
export FAKE_WAIT=
cd "$work/elsewhere"
run=("$repository/tools/run")

data="<--data-dir><$repository/data>"
check 'default data folder' "$data" "$("${run[@]}" 2>/dev/null)"
check 'arguments go on' "$data<--listen><127.0.0.1:0>" "$("${run[@]}" -- --listen 127.0.0.1:0 2>/dev/null)"
check 'without --, too' "$data<--listen><127.0.0.1:0>" "$("${run[@]}" --listen 127.0.0.1:0 2>/dev/null)"
check 'data folder of the caller' '<--data-dir><x y>' "$("${run[@]}" -- --data-dir 'x y' 2>/dev/null)"
check 'data folder of the caller, with =' '<--data-dir=x>' "$("${run[@]}" -- --data-dir=x 2>/dev/null)"
check 'configuration of the caller' '<--config><c.toml>' "$("${run[@]}" -- --config c.toml 2>/dev/null)"
check 'data folder in the environment' '<>' "$(RECHARGED_STORE__DATA_DIR=x "${run[@]}" 2>/dev/null)"
check 'what it starts' "$(printf 'install build\nbuild release recharged recharge')" "$(head -n 2 "$work/calls")"
ln -s "$repository/tools/run" "$work/link"
check 'through a link' "$data" "$("$work/link" 2>/dev/null)"

status=0
FAKE_EXIT=4 "${run[@]}" >/dev/null 2>&1 || status=$?
check 'exit code of recharged' 4 "$status"
status=0
output=$(FAKE_BUILD=1 "${run[@]}" 2>/dev/null) || status=$?
check 'a build that fails starts nothing' '1 ' "$status $output"

# exec: the process that the caller started is recharged itself, so a signal reaches it.
FAKE_WAIT=1 "${run[@]}" >"$work/out" 2>/dev/null &
started=$!
for _ in $(seq 100); do
  if [ "$(wc -l <"$work/out")" -ge 2 ]; then break; fi
  sleep 0.05
done
check 'same process' "$started" "$(sed -n 2p "$work/out")"
kill -TERM "$started"
status=0
wait "$started" || status=$?
check 'SIGTERM arrives' '0 drained' "$status $(tail -n 1 "$work/out")"

# install-packages: quick where nothing is missing, and a clear word where it can do nothing.
check 'packages: unknown argument' 2 "$("$root/tools/install-packages" nonsense >/dev/null 2>&1; echo $?)"
mkdir "$work/bin"
for program in bash sh env id sed dirname readlink; do ln -s "$(command -v "$program")" "$work/bin/$program"; done
printf '#!/bin/sh\nexit 1\n' >"$work/bin/dpkg-query"
printf '#!/bin/sh\necho called >>"%s/apt"\nexit 0\n' "$work" >"$work/bin/apt-get"
printf '#!/bin/sh\necho 1000\n' >"$work/fake-id"
chmod +x "$work/bin/dpkg-query" "$work/bin/apt-get" "$work/fake-id"
ln -sf "$work/fake-id" "$work/bin/id"
status=0
output=$(PATH="$work/bin" "$root/tools/install-packages" build 2>&1) || status=$?
check 'packages: no root and no sudo' 1 "$status"
check 'packages: says what to do' 1 "$(grep -c 'apt-get install --no-install-recommends .*g++' <<<"$output")"
check 'packages: apt is not called' no "$([ -e "$work/apt" ] && echo yes || echo no)"

# With sudo, which is asked without a terminal and so must not wait for a password.
for program in grep sleep; do ln -s "$(command -v "$program")" "$work/bin/$program"; done
printf '#!/bin/sh\nexit 1\n' >"$work/bin/apt-cache"
printf '#!/bin/sh\necho "$*" >>"%s/sudo"\n[ "$1" = -n ] && shift\nexec "$@"\n' "$work" >"$work/bin/sudo"
cat >"$work/bin/dpkg-query" <<END
#!/bin/sh
[ -e "$work/apt" ] || exit 1
shift 3
for name; do echo "\$name installed"; done
END
cat >"$work/bin/apt-get" <<END
#!/bin/sh
case "\$*" in *' install '*) echo called >"$work/apt" ;; esac
END
chmod +x "$work/bin/sudo" "$work/bin/apt-cache"
status=0
PATH="$work/bin" "$root/tools/install-packages" build >/dev/null 2>&1 </dev/null || status=$?
check 'packages: through sudo' 0 "$status"
check 'packages: lists first, then packages' 'update install' \
  "$(sed -n 's/^-n env .* \(update\|install\).*/\1/p' "$work/sudo" | paste -sd ' ')"

"$root/tools/install-packages" all --list >"$work/list"
check 'packages: none twice' '' "$(sort "$work/list" | uniq -d)"

echo "scripts_test: $failed failed"
[ "$failed" -eq 0 ]
