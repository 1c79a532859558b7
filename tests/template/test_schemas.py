"""Every golden message, event and status document is valid by the schema that is published for it."""

import copy
import json
import unittest
from datetime import datetime
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOTS = ROOT / "shared/planner/tests/planner/snapshots"
STATUSES = ROOT / "shared/status/tests/status/snapshots"
# What the schemas consist of. A misspelt keyword would be passed over.
KEYWORDS = {"$defs", "$ref", "$schema", "additionalProperties", "anyOf", "const", "default", "description", "enum", "examples", "format", "items", "maxLength", "maximum", "minimum", "oneOf",
            "pattern", "properties", "required", "title", "type"}
FORMATS = FormatChecker(())


@FORMATS.checks("date-time", ValueError)
def is_instant(value):
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def parts(schema):
    """A schema and all schemas that it consists of."""
    yield schema
    for keyword, rule in schema.items():
        if keyword in ("$defs", "properties"):
            below = rule.values()
        elif keyword in ("anyOf", "oneOf"):
            below = rule
        else:
            below = [rule] if keyword == "items" else []
        for part in below:
            yield from parts(part)


def strict(name):
    """A validator of a published schema, in which every object is closed."""
    schema = json.loads((ROOT / "docs/schemas" / name).read_text())
    Draft202012Validator.check_schema(schema)
    for part in list(parts(schema)):
        unknown = part.keys() - KEYWORDS
        assert not unknown, f"{unknown} in {part}"
        if "properties" in part:
            assert part.get("additionalProperties") is False, part
    return Draft202012Validator(schema, format_checker=FORMATS)


def golden(prefix):
    """The texts of snapshots by their names, without their heads."""
    found = {path.stem: path.read_text().split("---\n", 2)[2] for path in SNAPSHOTS.glob(f"planner__{prefix}*.snap")}
    assert found, f"no snapshot begins with {prefix}"
    return found


def messages():
    texts = golden("notifications__")
    return {name: json.loads(text.split("--- for machines\n")[1].split("\n--- for chat\n")[0])
            for name, text in texts.items() if "--- for machines\n" in text}


def events():
    return {f"{name} {number}": json.loads(line)
            for name, text in golden("events__").items() for number, line in enumerate(text.splitlines()) if line}


def statuses():
    """The golden documents of the status crate, each with its schema."""
    kinds = {"summary": "status-summary.v1.json", "why": "status-why.v1.json", "history": "status-history.v1.json"}
    for path in sorted(STATUSES.glob("status__golden__*.snap")):
        name = path.stem.removeprefix("status__golden__")
        yield name, kinds.get(name.split("-")[0], "status-fleet.v1.json"), json.loads(path.read_text().split("---\n", 2)[2])


class Schemas(unittest.TestCase):
    def keeps_to(self, name, bodies):
        validator = strict(name)
        for title, body in bodies.items():
            with self.subTest(title):
                self.assertEqual([error.message for error in validator.iter_errors(body)], [])

    def holds_each_field(self, name, whole):
        """Each field is required, and its value is checked."""
        validator = strict(name)
        for field in whole:
            with self.subTest(field):
                without = {key: value for key, value in whole.items() if key != field}
                self.assertEqual([error.message for error in validator.iter_errors(without)], [f"'{field}' is a required property"])
                self.assertFalse(validator.is_valid(whole | {field: {"?": 1}}))
        self.assertFalse(validator.is_valid(whole | {"unheard": 1}))

    def test_each_golden_message_keeps_to_its_schema(self):
        self.keeps_to("message.v1.json", messages())

    def test_each_golden_event_keeps_to_its_schema(self):
        self.keeps_to("event.v1.json", events())

    def test_every_published_schema_is_a_schema_with_closed_objects(self):
        names = sorted(path.name for path in (ROOT / "docs/schemas").glob("*.json"))
        self.assertGreater(len(names), 10)
        for name in names:
            with self.subTest(name):
                strict(name)

    def test_each_golden_status_document_is_valid_by_its_schema(self):
        documents = list(statuses())
        self.assertGreater(len(documents), 30)
        validators = {schema: strict(schema) for _, schema, _ in documents}
        for name, schema, document in documents:
            with self.subTest(name):
                self.assertEqual([error.message for error in validators[schema].iter_errors(document)], [])

    def test_the_schema_of_messages_finds_what_is_missing_wrong_or_unknown(self):
        whole = messages()["planner__notifications__replacement-started"]
        self.holds_each_field("message.v1.json", whole)
        validator = strict("message.v1.json")
        for field, value in (("unheard", 1), ("instance", "i-1; rm -rf /"), ("deadline", "soon")):
            wrong = copy.deepcopy(whole)
            wrong["details"][field] = value
            self.assertFalse(validator.is_valid(wrong), field)

    def test_the_schema_of_events_finds_what_is_missing_wrong_or_unknown(self):
        self.holds_each_field("event.v1.json", next(iter(events().values())))
