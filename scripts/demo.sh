#!/usr/bin/env bash
# Builds what the demo needs with a line of progress, then plays it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
log=$target/demo-build.log
mkdir -p "$target"
printf 'Building the functions (minutes the first time, seconds later; log in %s)\n' "$log"
# The demo's own programs alone: `make test` builds the rest. The command line is for who looks around afterwards.
programs=(cloudwatch-alarm config-compliance image-published operator reconcile status demo web-server)
if [ "${1:-}" = --keep ]; then programs+=(driftless); fi
# Large pages for the compiler's allocator: the longest crate takes a tenth less time.
# shellcheck disable=SC2086 # several words
MALLOC_CONF=thp:always,metadata_thp:always cargo build $CARGO_SELECTION "${programs[@]/#/--bin=}" >"$log" 2>&1 &
build=$!
# The emulators are installed in the meantime: the build waits for one large crate on one processor.
make --no-print-directory .venv/local/.installed >"$target/demo-setup.log" 2>&1 &
setup=$!
trap 'kill "$build" "$setup" 2>/dev/null || true' INT TERM
while kill -0 "$build" 2>/dev/null; do
    if [ -t 1 ]; then
        printf '\r\033[K  %4ds  %s' "$SECONDS" "$(tail -n 1 "$log" | cut -c 1-70)"
    fi
    sleep 1
done
if ! wait "$build"; then
    printf '\nThe build failed:\n'
    tail -n 40 "$log"
    exit 1
fi
if ! wait "$setup"; then
    printf '\nThe emulators could not be installed:\n'
    tail -n 40 "$target/demo-setup.log"
    exit 1
fi
if [ -t 1 ]; then printf '\r\033[K'; fi
printf 'Built in %d s.\n\n' "$SECONDS"
exec "$target/debug/demo" "$@"
