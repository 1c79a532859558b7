"""How the stages of `make check`, `make test` and `make soak` end, and what their summary says of it."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import stages
import table

FINDING = "echo '  FOUND: no bound takes an instance'; exit 76"


def run(*commands, searches=False, in_ci=False):
    """Whether a run of these commands passes, and everything that it says."""
    known = [table.Stage(f"stage-{at}", "", command, searches=searches) for at, command in enumerate(commands)]
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), mock.patch.multiple(stages, LOGS=Path(folder), IN_CI=in_ci):
        ends = stages.Run(known).whole()
        print(stages.summary(ends, 0, 0))
        return all(ended.is_good for ended in ends), said.getvalue()


class Stages(unittest.TestCase):
    def test_what_a_search_finds_is_told_loudly_and_fails_nothing(self):
        for in_ci in (False, True):
            is_good, said = run(FINDING, "true", searches=True, in_ci=in_ci)
            self.assertTrue(is_good)
            self.assertIn("FOUND (does not count): stage-0: no bound takes an instance\n", said)
            self.assertRegex(said, r"(?m)^stage-0 +FOUND +")
            self.assertRegex(said, r"(?m)^all +passed +")

    def test_a_search_that_fails_is_a_failure(self):
        for command in ("exit 1", "exit 75", "exit 101", "kill -9 $$"):
            is_good, said = run(command, "true", searches=True)
            self.assertFalse(is_good, command)
            self.assertRegex(said, r"(?m)^all +FAILED +")

    def test_what_is_found_by_a_stage_that_does_not_search_is_a_failure(self):
        is_good, said = run(FINDING, "true")
        self.assertFalse(is_good)
        self.assertNotIn("does not count", said)

    def test_what_is_left_out_is_so_and_in_ci_a_failure(self):
        for in_ci in (False, True):
            is_good, said = run("echo 'left out: no Terraform'; exit 77", "true", in_ci=in_ci)
            self.assertEqual(is_good, not in_ci)
            self.assertIn("left out: stage-0: no Terraform\n", said)

    def test_only_larger_worlds_search(self):
        searching = {stage.name for run in table.RUNS.values() for stage in run if stage.searches}
        self.assertEqual(searching, {stage.name for stage in table.SOAK if stage.name.startswith("world-")})
        self.assertTrue(searching)


if __name__ == "__main__":
    unittest.main()
