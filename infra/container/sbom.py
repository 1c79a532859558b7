"""Lists what is in a static Rust program, as CycloneDX: its crates from the lock file, and what is linked without being named
there. The same program has the same list, to the byte."""

import hashlib
import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path


def said_by(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def crate(package):
    """A crate of the lock file. One without a source is in this repository."""
    name, version = package["name"], package["version"]
    component = {
        "type": "library", "bom-ref": f"pkg:cargo/{name}@{version}", "name": name, "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
    }
    if "checksum" in package:
        component["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
    return component


def linked(name, version):
    purl = f"pkg:generic/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill(lock, program):
    packages = tomllib.loads(Path(lock).read_text(encoding="utf-8"))["package"]
    own = next(package for package in packages if "source" not in package)
    digest = hashlib.sha256(Path(program).read_bytes()).hexdigest()
    libraries = [crate(package) for package in packages if package is not own]
    # Neither stands in a lock file, and holes have been found in both.
    libraries.append(linked("rust-std", said_by("rustc", "--version")[1]))
    libraries.append(linked("glibc", said_by("getconf", "GNU_LIBC_VERSION")[1]))
    main = crate(own) | {"type": "application", "hashes": [{"alg": "SHA-256", "content": digest}]}
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "metadata": {"component": main},
        "components": libraries,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": [library["bom-ref"] for library in libraries]}],
    }


if __name__ == "__main__":
    json.dump(bill(sys.argv[1], sys.argv[2]), sys.stdout, indent=2)
    print()
