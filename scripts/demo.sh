#!/usr/bin/env bash
# Builds what the demo needs with a line of progress, then plays it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
log=$target/demo-build.log
mkdir -p "$target"
printf 'Building the functions (minutes the first time, seconds later; log in %s)\n' "$log"
cargo build --workspace --all-targets --locked >"$log" 2>&1 &
build=$!
trap 'kill "$build" 2>/dev/null || true' INT TERM
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
if [ -t 1 ]; then printf '\r\033[K'; fi
printf 'Built in %d s.\n\n' "$SECONDS"
exec "$target/debug/demo" "$@"
