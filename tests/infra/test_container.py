"""The container has one static program, which runs without root on a read-only file system."""

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tools import BIN, ROOT, calls, run, tool

FOLDER = ROOT / "infra" / "container"
DOCKERFILE = [
    line.split(maxsplit=1)
    for line in (FOLDER / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
MEGABYTE = 1_000_000


def instruction(name):
    return [rest for word, rest in DOCKERFILE if word == name]


class Dockerfile(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        result = tool("hadolint", "--failure-threshold", "style", FOLDER / "Dockerfile")
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_it_begins_with_nothing_and_runs_nothing_while_it_is_built(self):
        self.assertEqual(instruction("FROM"), ["scratch"])
        self.assertEqual(instruction("RUN"), [])

    def test_the_program_is_roots_and_runs_as_somebody_without_a_name(self):
        self.assertEqual(instruction("COPY"), ["--chown=0:0 --chmod=0555 target/image/app /app"])
        user, group = instruction("USER")[0].split(":")
        self.assertTrue(int(user) > 0 and int(group) > 0)

    def test_health_is_asked_without_a_shell_and_the_answer_awaited(self):
        options, command = instruction("HEALTHCHECK")[0].split(" CMD ")
        self.assertEqual(json.loads(command), ["/app", "healthcheck"])
        timeout = int(re.search(r"--timeout=(\d+)s", options)[1])
        patience = int(re.search(r"PATIENCE: Duration = Duration::from_secs\((\d+)\)", (FOLDER / "app/src/main.rs").read_text())[1])
        self.assertLess(patience, timeout, "it is cut off before it can say why")

    def test_docker_is_shown_the_program_and_nothing_else(self):
        self.assertEqual((FOLDER / ".dockerignore").read_text().split(), ["*", "!target/image/app"])


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.list = Path(folder.name) / "list" / "app.cdx.json"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CARGO_TARGET")}
        subprocess.run([FOLDER / "build.sh", cls.list], check=True, env=environment)
        cls.program = FOLDER / "target/image/app"

    def test_it_is_static_and_small_and_needs_no_file_beside_it(self):
        with open(self.program, "rb") as file:
            elf = ELFFile(file)
            segments = [segment.header.p_type for segment in elf.iter_segments()]
            self.assertNotIn("PT_INTERP", segments, "it asks for a loader")
            stack = next(segment for segment in elf.iter_segments() if segment.header.p_type == "PT_GNU_STACK")
            self.assertEqual(stack.header.p_flags & 1, 0, "its stack can be run")
            self.assertIn("PT_GNU_RELRO", segments)
            self.assertEqual(elf.header.e_type, "ET_DYN", "it is always at the same address")
        self.assertLess(self.program.stat().st_size, 2 * MEGABYTE)

    def test_it_passes_its_own_tests_and_clippy(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CARGO_TARGET")}
        for command in (["fmt", "--check"], ["clippy", "--all-targets", "--locked", "--", "-D", "warnings"], ["test", "--locked"]):
            with self.subTest(command[0]):
                result = subprocess.run(
                    ["cargo", *command], cwd=FOLDER / "app", env=environment | {"CARGO_TARGET_DIR": str(FOLDER / "target")},
                    capture_output=True, text=True, check=False,
                )
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_list_names_the_program_and_all_that_is_linked_into_it(self):
        bill = json.loads(self.list.read_text())
        main = bill["metadata"]["component"]
        self.assertEqual(main["hashes"][0]["content"], hashlib.sha256(self.program.read_bytes()).hexdigest())
        locked = {package["name"] for package in tomllib.loads((FOLDER / "app/Cargo.lock").read_text())["package"]}
        named = {component["name"] for component in bill["components"]} | {main["name"]}
        self.assertEqual(named, locked | {"rust-std", "glibc"})
        self.assertEqual((bill["bomFormat"], bill["specVersion"]), ("CycloneDX", "1.6"))
        again = run(BIN / "python", FOLDER / "sbom.py", FOLDER / "app/Cargo.lock", self.program, env={**os.environ, "PYTHONHASHSEED": "7"})
        self.assertEqual(again.stdout, self.list.read_text(), again.stderr)

    def test_a_crate_is_listed_with_its_checksum(self):
        sys.path.insert(0, str(FOLDER))
        self.addCleanup(sys.path.remove, str(FOLDER))
        from sbom import crate

        found = crate({"name": "serde", "version": "1.0.0", "source": "registry", "checksum": "ab"})
        self.assertEqual((found["purl"], found["hashes"]), ("pkg:cargo/serde@1.0.0", [{"alg": "SHA-256", "content": "ab"}]))

    def serve(self, prefix=(), program=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        environment = {"APP_LISTEN": address, "IMAGE_FLEET": "app", "IMAGE_BUILD": "7.1", "IMAGE_COMMIT": "3f2c1d9"}
        server = subprocess.Popen([*prefix, program or self.program], env=environment, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", int(address.split(":")[1])), timeout=1):
                    return address
            except OSError:
                time.sleep(0.05)
        self.fail("it does not listen")

    def test_it_answers_the_load_balancer_and_says_what_it_is(self):
        address = self.serve()
        with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
            self.assertEqual(answer.status, 200)
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            self.assertEqual(json.load(answer), {"fleet": "app", "build": "7.1", "commit": "3f2c1d9"})
        with self.assertRaises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"http://{address}/../etc/passwd", timeout=5)
        self.assertEqual(error.exception.code, 404)
        error.exception.close()
        asked = run(self.program, "healthcheck", env={"APP_LISTEN": address})
        self.assertEqual(asked.returncode, 0, asked.stderr)

    def test_a_health_check_fails_where_nothing_answers_or_nothing_is_set(self):
        for listen in ("127.0.0.1:1", "nowhere"):
            with self.subTest(listen):
                asked = run(self.program, "healthcheck", env={"APP_LISTEN": listen})
                self.assertEqual(asked.returncode, 1)
                self.assertIn("app: ", asked.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root can make another root directory")
    def test_it_runs_alone_in_its_root_directory_as_nobody(self):
        with tempfile.TemporaryDirectory() as folder:
            # What the Dockerfile says, and nothing else.
            root = Path(folder) / "root"
            root.mkdir(mode=0o555)
            (root / "app").write_bytes(self.program.read_bytes())
            (root / "app").chmod(0o555)
            Path(folder).chmod(0o755)
            address = self.serve(["/usr/sbin/chroot", "--userspec", instruction("USER")[0], root], "/app")
            with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
                self.assertEqual(answer.status, 200)


class Export(unittest.TestCase):
    def test_what_docker_adds_is_left_out_and_the_rest_is_the_same_to_the_byte(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for name, modified in (("one", 1), ("two", 2)):
                with tarfile.open(folder / f"{name}.tar", "w") as exported:
                    for path in (".dockerenv", "app", "dev/console", "etc/hosts", "etc/app.conf"):
                        entry = tarfile.TarInfo(path)
                        entry.size, entry.mtime, entry.uid = 3, modified, 1000
                        exported.addfile(entry, io.BytesIO(b"abc"))
                docker = folder / "docker"
                docker.write_text(
                    f"#!/bin/sh\necho \"[\\\"docker\\\", \\\"$1\\\"]\" >> {folder}/calls\n"
                    f"case $1 in create) echo c0ffee ;; export) cat {folder}/{name}.tar ;; esac\n"
                )
                docker.chmod(0o755)
                result = run(
                    BIN / "python", FOLDER / "export.py", "app:1", folder / "out" / name, env={"PATH": f"{folder}:/usr/bin:/bin"}
                )
                self.assertEqual(result.returncode, 0, result.stderr)
            with tarfile.open(folder / "out" / "one") as copy:
                self.assertEqual(copy.getnames(), ["app", "etc/app.conf"])
            self.assertEqual((folder / "out/one").read_bytes(), (folder / "out/two").read_bytes())
            self.assertEqual([call[1] for call in calls(folder)], ["create", "export", "rm"] * 2)


if __name__ == "__main__":
    unittest.main()
