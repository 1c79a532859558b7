"""What the workspace compiles is what deny.toml allows: versions, licenses, sources. Asks cargo, and needs no network after a build."""

import re
import subprocess
import tomllib
import unittest
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DENY = tomllib.loads((ROOT / "deny.toml").read_text())


def compiled():
    """Every package that a build of everything compiles, with its license: {(name, version): license}.

    `cargo tree` resolves features as the build does; `cargo metadata` also lists features that no crate enables.
    """
    targets = [word for target in DENY["graph"]["targets"] for word in ("--target", target)]
    listed = subprocess.run(
        ["cargo", "tree", "--workspace", "--locked", "--edges", "normal,build,dev", "--prefix", "none",
         "--format", "{p}\t{l}", *targets],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
    ).stdout
    found = {}
    for line in filter(None, listed.splitlines()):
        # A star in brackets: its own dependencies stood above already.
        package, license_of_it = line.removesuffix(" (*)").split("\t")
        name, version = package.split()[:2]
        found[name, version.removeprefix("v")] = license_of_it
    return found


def several(packages):
    """The names that stand in more than one version, with their versions."""
    versions = defaultdict(set)
    for name, version in packages:
        versions[name].add(version)
    return {name: found for name, found in versions.items() if len(found) > 1}


def objections(packages, skip):
    """Why versions and the list do not agree: a crate in two versions that no line explains, and a line that explains nothing."""
    doubled = several(packages)
    listed = {tuple(entry["crate"].split("@")) for entry in skip}
    for name, versions in sorted(doubled.items()):
        open_versions = sorted(version for version in versions if (name, version) not in listed)
        if len(open_versions) > 1:
            yield f"{name} in versions {', '.join(open_versions)}, without a reason in deny.toml"
        elif not open_versions:
            yield f"{name}: every version is on the list, so that the next one would not be seen"
    for name, version in sorted(listed):
        if version not in doubled.get(name, ()):
            yield f"{name} {version} is listed, and is not there twice"


def is_allowed(expression, allowed):
    """Whether an SPDX expression is met by licenses that are allowed. `/` is how it was written before SPDX."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        met = both()
        while words and words[0] == "OR":
            words.pop(0)
            other = both()
            met = met or other
        return met

    def both():
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            other = one()
            met = met and other
        return met

    def one():
        word = words.pop(0)
        if word == "(":
            met = either()
            words.pop(0)
            return met
        if words and words[0] == "WITH":
            word = f"{word} WITH {words[1]}"
            del words[:2]
        return word in allowed

    met = either()
    if words:
        raise ValueError(f"cannot read the license {expression!r}")
    return met


class Crates(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.packages = compiled()

    def test_no_crate_is_compiled_in_two_versions_without_a_reason(self):
        self.assertEqual(DENY["bans"]["multiple-versions"], "deny")
        self.assertEqual(list(objections(self.packages, DENY["bans"]["skip"])), [])

    def test_every_second_version_has_its_reason(self):
        for entry in DENY["bans"]["skip"]:
            with self.subTest(entry["crate"]):
                self.assertGreater(len(entry["reason"].split()), 4)

    def test_a_new_second_version_is_found_and_a_line_without_one_too(self):
        old = [{"crate": "http@0.2.1", "reason": ""}]
        self.assertEqual(list(objections({("http", "0.2.1"), ("http", "1.5.0")}, old)), [])
        self.assertEqual(len(list(objections({("http", "0.2.1"), ("http", "1.5.0")}, []))), 1)
        self.assertEqual(len(list(objections({("http", "0.2.1"), ("http", "1.4.0"), ("http", "1.5.0")}, old))), 1)
        self.assertEqual(len(list(objections({("http", "0.2.1")}, old))), 1)
        both = [*old, {"crate": "http@1.5.0", "reason": ""}]
        self.assertEqual(len(list(objections({("http", "0.2.1"), ("http", "1.5.0")}, both))), 1)

    def test_every_license_is_one_that_is_allowed(self):
        allowed = set(DENY["licenses"]["allow"])
        refused = {package: said for package, said in self.packages.items() if not is_allowed(said, allowed)}
        self.assertEqual(refused, {})

    def test_a_license_that_no_crate_needs_is_not_allowed(self):
        allowed = DENY["licenses"]["allow"]
        for license_of_it in allowed:
            rest = set(allowed) - {license_of_it}
            with self.subTest(license_of_it):
                self.assertTrue(any(not is_allowed(said, rest) for said in self.packages.values()))

    def test_a_license_is_read_as_it_is_written(self):
        for expression, met in {
            "MIT": True, "GPL-3.0": False, "MIT OR GPL-3.0": True, "GPL-3.0/MIT": True, "MIT AND GPL-3.0": False,
            "(MIT OR GPL-3.0) AND ISC": True, "GPL-3.0 OR MIT AND ISC": True, "MIT WITH Classpath-exception-2.0": False,
        }.items():
            with self.subTest(expression):
                self.assertEqual(is_allowed(expression, {"MIT", "ISC"}), met)

    def test_everything_comes_from_a_registry_that_is_named(self):
        named = {f"registry+{registry}" for registry in DENY["sources"]["allow-registry"]}
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
        sources = {package["source"] for package in lock["package"] if "source" in package}
        self.assertEqual(sources, named)
        unsummed = [package["name"] for package in lock["package"] if "source" in package and "checksum" not in package]
        self.assertEqual(unsummed, [])


if __name__ == "__main__":
    unittest.main()
