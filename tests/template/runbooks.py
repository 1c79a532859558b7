"""Reading docs/runbooks: their parts, and the AWS CLI commands in them, held against the API models that botocore carries."""

import re
import shlex
from pathlib import Path

from botocore import xform_name
from botocore.session import get_session

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
FENCE = re.compile(r"(?m)^( *)```sh\n(.*?)^\1```$", re.DOTALL)
LINK = re.compile(r"\]\(([\w-]+\.md)\)")
SECTIONS = ["What you see", "What it means", "What to decide", "How to reverse"]

# What the AWS CLI calls otherwise than the API, and what it adds to every command.
SERVICES = {"configservice": "config"}
GLOBAL_OPTIONS = {"query", "output", "region", "profile", "cli-binary-format", "max-items"}
# A command of the CLI's own, made of several calls.
OWN_COMMANDS = {("logs", "tail"): {"since", "filter-pattern", "follow"}}


def pages():
    return {file.stem: file.read_text() for file in sorted(FOLDER.glob("*.md")) if file.stem != "README"}


def begins_with_a_command(text):
    """A title, and right below it a block with a command."""
    return re.match(r"# [^\n]+\n\n```sh\n[^\n`]+\n", text) is not None


def commands(text):
    """The lines of all blocks, without the indent of a list."""
    for indent, block in FENCE.findall(text):
        yield from (line.removeprefix(indent) for line in block.splitlines())


def aws_calls(text):
    """The words of each call of the AWS CLI, also of those inside of another."""
    for line in commands(text):
        for nested in re.findall(r"\$\((aws [^()]+)\)", line):
            yield shlex.split(nested)
        outer = re.sub(r"\$\([^()]*\)", "VALUE", line).strip()
        if outer.startswith("aws "):
            yield shlex.split(outer)


def problem_with(words, session=get_session()):
    """What the AWS CLI would not understand in a call. None: nothing."""
    _, service, command, *rest = words
    options = {word.removeprefix("--").split("=")[0] for word in rest if word.startswith("--")} - GLOBAL_OPTIONS
    if (service, command) in OWN_COMMANDS:
        unknown = options - OWN_COMMANDS[service, command]
        return f"{service} {command} has no {sorted(unknown)}" if unknown else None
    api = SERVICES.get(service, service)
    if api not in session.get_available_services():
        return f"there is no service {service}"
    model = session.get_service_model(api)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if command not in operations:
        return f"{service} has no {command}"
    shape = model.operation_model(operations[command]).input_shape
    members = {xform_name(name, "-"): member for name, member in (shape.members if shape else {}).items()}
    flags = {f"no-{name}" for name, member in members.items() if member.type_name == "boolean"}
    unknown = options - members.keys() - flags
    if unknown:
        return f"{service} {command} has no {sorted(unknown)}"
    missing = {xform_name(name, "-") for name in (shape.required_members if shape else [])} - {option.removeprefix("no-") for option in options}
    return f"{service} {command} needs {sorted(missing)}" if missing else None
