#!/usr/bin/env bash
# Builds the application for this machine's architecture, static, and puts it where the Dockerfile takes it from. With an
# argument, writes the list of what is in it (CycloneDX, JSON) to that file.
set -euo pipefail

list=${1:+$(realpath --canonicalize-missing "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")"

# In its own folder, for the settings of Cargo there.
(cd app && cargo build --release --locked --target-dir ../target)
install -D --mode 0555 target/release/app target/image/app

if [[ -n $list ]]; then
    mkdir -p "$(dirname "$list")"
    python3 sbom.py app/Cargo.lock target/image/app > "$list"
fi
