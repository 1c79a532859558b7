"""Writes the tables of inputs and outputs into the READMEs of the modules, from the code.

    python3 tests/terraform/readme.py            # fails where a README is out of date
    python3 tests/terraform/readme.py --write

It reads what `terraform fmt` writes, which the tests insist on, and is no parser of HCL.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

FLEET = Path(__file__).resolve().parents[2] / "infra" / "fleet"
MODULES = (FLEET, FLEET / "modules" / "detection", FLEET / "modules" / "guard-policies")
BEGIN, END = "<!-- inputs and outputs -->\n", "<!-- end of inputs and outputs -->\n"

BLOCK = re.compile(r'^(variable|output) "([a-z0-9_]+)" \{\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A variable or an output."""

    kind: str
    name: str
    body: str

    def value(self, argument: str) -> str | None:
        """What an argument of the block says, over as many lines as its brackets are open."""
        found = re.search(rf"^  {argument} += (.*)$", self.body, re.MULTILINE)
        if found is None:
            return None
        lines = [found[1]]
        rest = iter(self.body[found.end() + 1 :].splitlines())
        while _depth("\n".join(lines)) > 0:
            lines.append(next(rest))
        return "\n".join([lines[0], *(line.removeprefix("  ") for line in lines[1:])])

    def description(self) -> str:
        """Its description."""
        quoted = self.value("description")
        if quoted is None:
            raise SystemExit(f"{self.kind} {self.name} has no description")
        return quoted[1:-1].replace('\\"', '"')


def _depth(text: str) -> int:
    outside = re.sub(r'"(\\.|[^"\\])*"', "", text)
    return sum(outside.count(opening) for opening in "([{") - sum(outside.count(closing) for closing in ")]}")


def blocks(module: Path) -> list[Block]:
    """The variables and outputs of a module, in the order of its files and of their lines."""
    files = sorted(module.glob("*.tf"), key=lambda file: (file.name != "variables.tf", file.name))
    return [Block(*found) for file in files for found in BLOCK.findall(file.read_text())]


def tables(module: Path) -> str:
    """The part of the README that is generated."""
    found = blocks(module)
    required = [block for block in found if block.kind == "variable" and block.value("default") is None]
    optional = [block for block in found if block.kind == "variable" and block.value("default") is not None]
    outputs = [block for block in found if block.kind == "output"]
    parts = [_inputs("Inputs that you must set", required), _inputs("Inputs with a default", optional)]
    rows = "".join(f"| `{block.name}` | {_cell(block.description())} |\n" for block in outputs)
    parts.append(f"### Outputs\n\n| output | what it is |\n| --- | --- |\n{rows}")
    return "\n".join(part for part in parts if part)


def _inputs(title: str, variables: list[Block]) -> str:
    if not variables:
        return ""
    entries = []
    for block in variables:
        default = block.value("default")
        said = f", default `{default}`" if default and "\n" not in default else ""
        kind = block.value("type") or "any"
        if "\n" in kind:
            entries.append(f"- **`{block.name}`**{said}. {block.description()}\n\n  ```hcl\n{_indented(kind)}\n  ```\n\n")
        else:
            entries.append(f"- **`{block.name}`** (`{kind}`{said}). {block.description()}\n")
    return f"### {title}\n\n" + "".join(entries)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def rewritten(module: Path) -> tuple[str, str]:
    """The README as it stands, and as it should."""
    text = (module / "README.md").read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{module / 'README.md'} has no place for inputs and outputs")
    return text, head + begin + "\n" + tables(module) + "\n" + end + tail


def main() -> int:
    stale = 0
    for module in MODULES:
        before, after = rewritten(module)
        if before == after:
            continue
        if "--write" in sys.argv[1:]:
            (module / "README.md").write_text(after)
        else:
            print(f"{module / 'README.md'} is out of date: python3 tests/terraform/readme.py --write")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
