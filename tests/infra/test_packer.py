"""The Packer template says what it must. Packer itself validates it in the workflow; here it is read."""

import json
import re
import tempfile
import unittest
from pathlib import Path

import hcl2

from tools import BIN, ROOT, calls, run, stub

FOLDER = ROOT / "infra" / "packer"
RUST = (ROOT / "shared/planner/src/image.rs").read_text()


def plain(value):
    """Without what the parser keeps of the way things are written: quotes, comments, marks."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def load(name):
    with open(FOLDER / name, encoding="utf-8") as file:
        return plain(hcl2.load(file))


TEMPLATE, VARIABLES = load("image.pkr.hcl"), load("variables.pkr.hcl")
LOCALS = TEMPLATE["locals"][0]
SOURCE = TEMPLATE["source"][0]["amazon-ebs"]["fleet"]
BUILD = TEMPLATE["build"][0]
PROVISIONERS = [next(iter(block.items())) for block in BUILD["provisioner"]]


class Template(unittest.TestCase):
    def test_one_version_of_the_plugin_and_no_other(self):
        plugin = TEMPLATE["packer"][0]["required_plugins"][0]["amazon"]
        self.assertRegex(plugin["version"], r"^= \d+\.\d+\.\d+$")
        self.assertEqual(plugin["source"], "github.com/hashicorp/amazon")

    def test_it_starts_from_amazons_own_newest_linux(self):
        found = SOURCE["source_ami_filter"][0]
        self.assertEqual(found["owners"], ["137112412989"])
        self.assertTrue(found["filters"]["name"].startswith("al2023-ami-2023."))
        self.assertEqual(found["filters"]["architecture"], "${var.architecture}")
        self.assertIs(found["most_recent"], True)

    def test_both_architectures_have_a_builder(self):
        self.assertEqual(set(LOCALS["instance_types"]), {"arm64", "x86_64"})
        self.assertEqual(SOURCE["instance_type"], "${local.instance_types[var.architecture]}")

    def test_builder_and_image_speak_imdsv2_only(self):
        self.assertEqual(SOURCE["imds_support"], "v2.0")
        options = SOURCE["metadata_options"][0]
        self.assertEqual((options["http_tokens"], options["http_put_response_hop_limit"]), ("required", 1))

    def test_every_volume_is_encrypted(self):
        for volume in SOURCE["launch_block_device_mappings"]:
            self.assertIs(volume["encrypted"], True)
            self.assertEqual(volume["device_name"], "/dev/xvda", "the root volume of Amazon Linux 2023")

    def test_the_builder_is_reached_through_session_manager_with_what_that_needs(self):
        self.assertEqual(SOURCE["ssh_interface"], "session_manager")
        self.assertEqual(SOURCE["temporary_security_group_source_cidrs"], ["127.0.0.1/32"])
        statement = SOURCE["temporary_iam_instance_profile_policy_document"][0]["Statement"]
        actions = [action for one in statement for action in one["Action"]]
        self.assertEqual({action.split(":")[0] for action in actions}, {"ssm", "ssmmessages"})
        self.assertNotIn("*", "".join(actions))

    def test_the_image_has_the_tags_that_driftless_reads_and_a_builder_has_none(self):
        read = {re.search(rf'const {name}: &str = "(.*)"', RUST)[1] for name in ("IMAGE_FOR_TAG", "BUILD_TAG")}
        read.add(re.search(r"the tag `(driftless:commit)`", RUST)[1])
        self.assertEqual({key for key in LOCALS["tags"] if key.startswith("driftless:")}, read)
        self.assertEqual(LOCALS["tags"]["driftless:image-for"], "${var.fleet}")
        rule = (ROOT / "infra/fleet/detection.tf").read_text()
        key = re.search(r'tag_key +?= optional\(string, "(.*)"\)', rule)[1]
        self.assertEqual(LOCALS["tags"][key], "${var.fleet}", "what the rule of approved images looks for")
        self.assertEqual(LOCALS["tags"]["driftless:build"], "${var.build}")
        self.assertEqual((SOURCE["tags"], SOURCE["snapshot_tags"]), ("${local.tags}", "${local.tags}"))
        self.assertNotIn("driftless", json.dumps([SOURCE["run_tags"], SOURCE["run_volume_tags"]]))
        self.assertIs(SOURCE["skip_ami_run_tags"], True)

    def test_an_image_grows_old(self):
        self.assertIn("var.days_until_deprecated * 24", SOURCE["deprecate_at"])

    def test_every_variable_is_explained_and_those_that_name_things_are_checked(self):
        variables = {name: about for block in VARIABLES["variable"] for name, about in block.items()}
        for name, about in variables.items():
            with self.subTest(name):
                self.assertTrue(about["description"])
                self.assertTrue("default" in about or about.get("validation"), "anything would pass")
        used = set(re.findall(r"\bvar\.([a-z_]+)", (FOLDER / "image.pkr.hcl").read_text()))
        self.assertEqual(used, set(variables))

    def test_a_fleets_name_is_what_the_planner_takes(self):
        pattern = re.search(r'regex\("(.*)", var\.fleet', (FOLDER / "variables.pkr.hcl").read_text())[1]
        for name, fits in (("app", True), ("a" * 40, True), ("a" * 41, False), ("App", False), ("", False), ("a b", False)):
            self.assertEqual(re.fullmatch(pattern, name) is not None, fits, name)

    def test_files_come_before_they_are_needed_and_where_the_builds_user_may_write(self):
        kinds = [kind for kind, _ in PROVISIONERS]
        self.assertEqual(kinds, ["shell", "file", "file", "file", "shell"])
        for kind, about in PROVISIONERS:
            if kind == "file":
                self.assertTrue(about["destination"].startswith("${local.upload}"))
        self.assertEqual(LOCALS["upload"], "/tmp/image-build")

    def test_hardening_is_the_last_change_and_the_check_the_last_word(self):
        last = PROVISIONERS[-1][1]
        names = [line.split("/")[-1] for line in last["inline"]]
        self.assertEqual(names, ["install-dependencies.sh", "configure-app.sh", "harden-os.sh", "check-image"])
        # Without -e the check's answer alone would count, and a failed script would go unnoticed.
        self.assertRegex(last["execute_command"], r"^sudo env \{\{ \.Vars \}\} bash -e ")
        self.assertIs(last["skip_clean"], True)

    def test_the_manifest_says_what_was_built(self):
        manifest = BUILD["post-processor"][0]["manifest"]
        self.assertEqual(set(manifest["custom_data"]), {"fleet", "build", "commit", "architecture"})


MANIFEST = {
    "last_run_uuid": "b",
    "builds": [
        {"packer_run_uuid": "a", "artifact_id": "eu-central-1:ami-0aaaaaaaaaaaaaaaa", "custom_data": {"fleet": "app", "build": "6.1", "commit": "0000000"}},
        {"packer_run_uuid": "b", "artifact_id": "eu-central-1:ami-0123456789abcdef0", "custom_data": {"fleet": "app", "build": "7.1", "commit": "3f2c1d9"}},
    ],
}


class Publish(unittest.TestCase):
    def publish(self, manifest=None, failed=0, bus="driftless"):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "manifest.json").write_text(json.dumps(manifest or MANIFEST))
        stub(self.folder, "aws", [(["put-events"], 0, json.dumps({"FailedEntryCount": failed, "Entries": [{"ErrorCode": "AccessDenied"}]}))])
        return run(
            BIN / "python", "infra/packer/publish.py", self.folder / "manifest.json", "--bus", bus, "--url", "https://ci.example.com/7",
            env={"PATH": f"{self.folder}:/usr/bin:/bin"},
        )

    def test_the_event_of_the_last_run_has_the_schema_that_the_detector_takes(self):
        result = self.publish()
        self.assertEqual(result.returncode, 0, result.stderr)
        call = calls(self.folder)[0]
        entry = json.loads(call[call.index("--entries") + 1])[0]
        sample = json.loads((ROOT / "tests/events/image-published.json").read_text())
        self.assertEqual((entry["Source"], entry["DetailType"]), (sample["source"], sample["detail-type"]))
        detail = json.loads(entry["Detail"])
        self.assertEqual(set(detail), set(sample["detail"]))
        self.assertEqual((detail["imageId"], detail["build"]), ("ami-0123456789abcdef0", "7.1"))
        self.assertEqual(call[call.index("--region") + 1], "eu-central-1")

    def test_an_event_that_the_bus_turns_away_fails(self):
        result = self.publish(failed=1)
        self.assertEqual(result.returncode, 1)
        self.assertIn("AccessDenied", result.stderr)

    def test_a_manifest_that_names_no_single_image_fails_and_sends_nothing(self):
        for artifact in ("", "ami-0123456789abcdef0", "eu-central-1:$AMI_ID", "eu-central-1:ami-1,us-east-1:ami-2"):
            with self.subTest(artifact):
                build = {**MANIFEST["builds"][1], "artifact_id": artifact}
                self.assertEqual(self.publish({**MANIFEST, "builds": [build]}).returncode, 1)
                self.assertEqual(calls(self.folder), [])
        self.assertEqual(self.publish({**MANIFEST, "last_run_uuid": "c"}).returncode, 1)

    def test_a_bus_that_is_not_set_is_named(self):
        result = self.publish(bus="")
        self.assertEqual((result.returncode, calls(self.folder)), (2, []))
        self.assertIn("--bus", result.stderr)


if __name__ == "__main__":
    unittest.main()
