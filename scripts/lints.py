#!/usr/bin/env python3
"""What rustc and clippy have to say of what was built: nothing, or this fails.

    scripts/lints.py <arguments of cargo build>

Clippy's driver has compiled our crates already (RUSTC_WORKSPACE_WRAPPER); cargo says again what it said then. Nothing is compiled
a second time, and a warning of a newer toolchain does not keep `make demo` from running."""

import json
import os
import subprocess
import sys

LEFT_OUT = 77


def main() -> int:
    if os.environ.get("RUSTC_WORKSPACE_WRAPPER") != "clippy-driver":
        print("left out: clippy is not installed (rustup component add clippy)")
        return LEFT_OUT
    command = ["cargo", "build", *sys.argv[1:], "--message-format", "json-diagnostic-rendered-ansi"]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    found = set()
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-message":
            found.add(message["message"]["rendered"])
    print("".join(sorted(found)), end="")
    print(f"{len(found)} warnings")
    return 1 if found or built.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
