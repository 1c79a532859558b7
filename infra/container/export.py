"""Takes the file system out of a container image, for `configure-app.sh` to put on a machine image.

    python3 export.py <image> <file.tar>

Docker adds files of its own to what it exports; they are left out. Times and owners are, too: the same image makes the same
file, to the byte."""

import subprocess
import sys
import tarfile
from pathlib import Path

# Docker makes these for every container.
DOCKERS_OWN = {".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", "proc", "sys"}


def is_dockers_own(name):
    return any(name == own or name.startswith(f"{own}/") for own in DOCKERS_OWN)


def export(image, target):
    container = subprocess.run(["docker", "create", image], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as docker,
            tarfile.open(fileobj=docker.stdout, mode="r|") as source,
            tarfile.open(target, mode="w", format=tarfile.GNU_FORMAT) as copy,
        ):
            for entry in source:
                if is_dockers_own(entry.name.strip("/")):
                    continue
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                copy.addfile(entry, source.extractfile(entry) if entry.isfile() else None)
        if docker.returncode != 0:
            sys.exit(f"docker export failed with {docker.returncode}")
    finally:
        subprocess.run(["docker", "rm", container], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    export(sys.argv[1], sys.argv[2])
