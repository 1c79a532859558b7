"""The scripts of `infra/packer` do what they say: run for real in a Debian root directory, as Packer would run them.

Needs root, for a root directory with its own owners. Who is not root sets AS_ROOT, such as `AS_ROOT=sudo make test ONLY=infra`."""

import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from debian_root import BREAKS, PACKAGES, SUITE
from tools import ROOT, tool

CACHE = ROOT / ".venv" / "debian"
SCRIPTS = sorted((ROOT / "infra" / "packer" / "scripts").glob("*.sh"))


class Scripts(unittest.TestCase):
    def test_shellcheck_finds_nothing(self):
        scripts = [*SCRIPTS, ROOT / "infra/container/build.sh"]
        # Braces around every variable hide the few that need them.
        result = tool("shellcheck", "--enable", "all", "--exclude", "SC2250,SC2154", *scripts)
        self.assertEqual(result.stdout, "")

    def test_each_stops_at_the_first_failure(self):
        for script in SCRIPTS:
            with self.subTest(script.name):
                code = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
                self.assertEqual(code[0], "set -euo pipefail")
                self.assertTrue(script.read_text().startswith("#!/usr/bin/env bash\n"))


def as_root():
    """The command that makes root of us, or why there is none."""
    prefix = [] if os.geteuid() == 0 else shlex.split(os.environ.get("AS_ROOT", ""))
    if os.geteuid() != 0 and not prefix:
        return None, "not root, and AS_ROOT is not set"
    spaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
    for needed in ("unshare", "chroot", "apt-get", "dpkg-deb"):
        if subprocess.run(["/bin/sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin command -v {needed}"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return None, f"there is no {needed}"
    tried = subprocess.run([*prefix, *spaces, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return None, f"no root directory of our own can be mounted: {tried.stderr.strip()}"
    return [*prefix, *spaces], None


class Hardening(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        command, why = as_root()
        if command is None:
            print(f"\n!!! SKIPPED: the image's scripts were NOT run, {why} !!!", file=sys.stderr)
            raise unittest.SkipTest(why)
        # Kept until `make clean`: what is tried are our scripts, not Debian.
        CACHE.mkdir(parents=True, exist_ok=True)
        archive = CACHE / f"{SUITE}-{PACKAGES.replace(',', '-')}.tar"
        script = ROOT / "tests/infra/debian_root.py"
        if not archive.exists():
            subprocess.run([*command, sys.executable, script, "--make", archive], check=True, timeout=900)
        with tempfile.TemporaryDirectory() as folder:
            application = Path(folder) / "app.tar"
            with tarfile.open(application, "w") as tar:
                program = Path(folder) / "app"
                program.write_text("#!/bin/sh\n")
                # As bad as it may come: an operator's, writable by all, with rights of its own.
                program.chmod(0o6777)
                entry = tar.gettarinfo(program, "app")
                entry.uid = entry.gid = 1000
                with program.open("rb") as content:
                    tar.addfile(entry, content)
            result = subprocess.run([*command, sys.executable, script, archive, application], stdout=subprocess.PIPE, text=True, check=True, timeout=900)
        cls.facts = json.loads(result.stdout)

    def test_the_check_fails_a_machine_that_was_not_hardened(self):
        before = self.facts["before"]
        self.assertEqual(before["code"], 1)
        for word in ("host keys", "keys that open an account", "may become root", "package caches", "no application", "machine-id"):
            self.assertIn(word, before["said"])

    def test_it_holds_after_hardening(self):
        self.assertEqual(self.facts["first"]["code"], 0, self.facts["first"]["said"])
        self.assertIn("the hardening holds", self.facts["first"]["said"])

    def test_a_second_run_changes_nothing(self):
        self.assertEqual(self.facts["second"]["code"], 0, self.facts["second"]["said"])
        self.assertEqual(self.facts["changed_by_second"], [])

    def test_nobody_gets_in_by_ssh(self):
        files = self.facts["files"]
        self.assertEqual([path for path in files if "ssh_host" in path or "authorized_keys" in path], [])
        self.assertIn("etc/ssh/sshd_config", files, "there was no SSH to take away")

    def test_there_are_no_package_caches(self):
        left = [path for path, (mode, *_) in self.facts["files"].items() if path.startswith(("var/cache/apt/", "var/cache/dnf", "var/lib/apt/lists/"))]
        self.assertEqual(left, [])

    def test_the_application_is_roots_and_nobody_may_write_to_it(self):
        tree = {path: about for path, about in self.facts["files"].items() if path.startswith("opt/app")}
        self.assertIn("opt/app/root/app", tree)
        for path, (mode, user, group, _) in tree.items():
            with self.subTest(path):
                self.assertEqual((user, group, int(mode, 8) & 0o7222), (0, 0, 0))
        self.assertNotEqual(self.facts["nobody_writes"]["code"], 0)

    def test_somebody_without_rights_writes_only_where_things_begin_empty(self):
        writable = {path for path in self.facts["writable_for_nobody"] if path.startswith("/")}
        self.assertEqual(writable, {"/tmp", "/var/tmp", "/run/lock", "/var/lib/shared"})

    def test_an_application_of_more_than_files_is_refused(self):
        for name, word in (("pipe", "devices, pipes or sockets"), ("empty", "no program /app")):
            with self.subTest(name):
                self.assertEqual(self.facts["refused"][name]["code"], 1)
                self.assertIn(word, self.facts["refused"][name]["said"])

    def test_the_unit_is_valid_and_sealed(self):
        # It looks for the program outside of the unit's root directory, and finds nothing else to say.
        said = [line for line in self.facts["unit"]["said"].splitlines() if "/app is not executable" not in line]
        self.assertEqual(said, [])
        self.assertRegex(self.facts["exposure"], r"app\.service: (0\.\d|1\.[0-5]) OK")

    def test_the_check_finds_each_way_to_spoil_an_image(self):
        for name, (_, word) in BREAKS.items():
            with self.subTest(name):
                found = self.facts["breaks"][name]
                self.assertEqual(found["broken"]["code"], 0, found["broken"]["said"])
                self.assertEqual(found["check"]["code"], 1, "the check passes it")
                self.assertIn(word, found["check"]["said"])


if __name__ == "__main__":
    unittest.main()
