"""The linters of this virtual environment, and a stub that stands in for a program that talks to AWS."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command, **options):
    """Runs a program with nothing of the caller's home, and answers with what it said."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": home, "LC_ALL": "C.UTF-8", **options.pop("env", {})}
        options = {"cwd": ROOT, "timeout": 300, **options}
        return subprocess.run(
            [str(part) for part in command], env=environment, capture_output=True, text=True, check=False, **options
        )


def tool(name, *arguments, **options):
    return run(BIN / name, *arguments, **options)


def stub(folder, name, answers):
    """Puts a program on a path of its own that notes each call, and answers the first entry whose words all occur in it.

    An entry is (words, exit code, output)."""
    folder = Path(folder)
    (folder / f"{name}.answers").write_text(json.dumps(answers))
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "call = sys.argv[1:]\n"
        "with open(folder / 'calls', 'a') as calls:\n"
        f"    calls.write(json.dumps([{name!r}, *call]) + '\\n')\n"
        f"for words, code, output in json.loads((folder / '{name}.answers').read_text()):\n"
        "    if all(word in call for word in words):\n"
        "        print(output)\n"
        "        sys.exit(code)\n"
        "sys.exit(f'no answer for {call}')\n"
    )
    program.chmod(0o755)


def calls(folder):
    path = Path(folder) / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
