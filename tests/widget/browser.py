"""A browser without a screen, and its driver: those of the machine, else Debian's packages.

    browser.py <folder>     finds or installs them, and writes where they are to <folder>/browser.json

Root gets the packages installed by apt. Whoever is not root gets them, with the libraries that the machine lacks,
unpacked into the folder: apt has checked them against the keys that the machine trusts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
# apt drops its rights for downloads, and in a container whoever it becomes may be allowed too little.
QUIET = ("-qq", "-o", "APT::Sandbox::User=root")
HELP = "Install Chromium and chromedriver, or name them by CHROMIUM and CHROMEDRIVER"


def found(path=None):
    """Where browser and driver are. None: one of them is missing."""
    names = [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else BROWSERS
    browser = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    driver = shutil.which(os.environ.get("CHROMEDRIVER", "chromedriver"), path=path)
    return {"browser": browser, "driver": driver, "libraries": []} if browser and driver else None


def must(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.stderr or result.stdout}\n{HELP}")
    return result.stdout


def installed():
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    must("apt-get", *QUIET, "update", env=environment)
    must("apt-get", *QUIET, "install", "--yes", "--no-install-recommends", *PACKAGES, env=environment)
    return found()


def unpacked(folder):
    """Debian's packages in a folder: what apt would install here, and is not there yet."""
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    options = (*QUIET, "-o", f"Dir::State::lists={apt}/lists", "-o", f"Dir::Cache={apt}/cache")
    must("apt-get", *options, "update")
    plan = must("apt-get", *options, "--simulate", "install", "--no-install-recommends", *PACKAGES)
    missing = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    must("apt-get", *options, "download", *missing, cwd=apt)
    root = folder / "root"
    for package in sorted(apt.glob("*.deb")):
        must("dpkg-deb", "--extract", str(package), str(root))
    libraries = [str(path) for path in (root / "usr/lib").glob("*-linux-gnu")]
    # What Debian calls chromium is a script that sets up the machine's own paths: the program itself is beside it.
    browser, driver = root / "usr/lib/chromium/chromium", root / "usr/bin/chromedriver"
    return {"browser": str(browser), "driver": str(driver), "libraries": libraries} if browser.exists() and driver.exists() else None


def main(folder):
    where = found()
    if where is None:
        if shutil.which("apt-get") is None:
            sys.exit(f"no browser is here. {HELP}")
        where = installed() if os.geteuid() == 0 else unpacked(folder)
    if where is None:
        sys.exit(f"the packages hold no browser. {HELP}")
    (folder / "browser.json").write_text(json.dumps(where))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
