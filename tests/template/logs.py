"""Reading the log lines that the functions write: the event code of each, its level and its fields."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What runs in the functions. The simulator, the tools and the tests write other lines, or none.
FOLDERS = ["shared/aws", "shared/lambda", "shared/reconciler", *sorted(str(f.relative_to(ROOT)) for f in ROOT.glob("functions/*"))]
CALL = re.compile(r"\b(?:tracing::)?(trace|debug|info|warn|error)!\(")
CODE = re.compile(r'event = "([^"]*)"')
STRING_OR_SIGN = re.compile(r'"(?:[^"\\]|\\.)*"|[()\[\]{},]')


@dataclass(frozen=True)
class Line:
    file: str
    level: str
    # None: the line has no code.
    code: str | None
    fields: frozenset[str]


def without_tests(source):
    """A source without its module of tests, which stands at its end."""
    return source.split("#[cfg(test)]\nmod tests {", 1)[0]


def arguments_of(source, start):
    """The arguments of a call of which the parenthesis opens just before `start`."""
    arguments, depth, begin = [], 0, start
    for found in STRING_OR_SIGN.finditer(source, start):
        sign = found[0]
        if sign in "([{":
            depth += 1
        elif sign in ")]}" and depth > 0:
            depth -= 1
        elif depth == 0 and sign in ",)":
            arguments.append(source[begin : found.start()].strip())
            begin = found.end()
            if sign == ")":
                return [argument for argument in arguments if argument]
    raise ValueError(f"a call does not end: {source[start:][:80]}")


def field_of(argument):
    """The name of a field: `name = value`, `%name`, `?name` or `name`."""
    return re.match(r"[%?]?(\w+)", argument)[1]


def lines_in(name, source):
    source = without_tests(source)
    for call in CALL.finditer(source):
        # The last argument is the message.
        *fields, _message = arguments_of(source, call.end())
        code = CODE.fullmatch(fields[0]) if fields else None
        yield Line(name, call[1], code and code[1], frozenset(map(field_of, fields)))


def sources():
    for folder in FOLDERS:
        for file in sorted((ROOT / folder / "src").rglob("*.rs")):
            if "tests" not in file.relative_to(ROOT).with_suffix("").parts:
                yield str(file.relative_to(ROOT)), file.read_text()


LINES = [line for name, source in sources() for line in lines_in(name, source)]


def fields_by_code():
    """What a query may ask of a line: its code, and the fields that each of its lines has."""
    found = {}
    for line in LINES:
        found[line.code] = found.get(line.code, line.fields) & line.fields
    return found


def documented(page):
    """The rows of the table of event codes in docs/metrics.md: code -> fields."""
    table = page.split("## Log events", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| [^|]+ \| ([^|]*) \|$", table)
    return {code: (level, frozenset(re.findall(r"`(\w+)`", fields))) for code, level, fields in rows}
