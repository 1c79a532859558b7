"""Tells Driftless of the image that Packer has just made: `image.published` on Driftless's own event bus.

    python3 publish.py manifest.json --bus driftless --url https://…/runs/7

Fleet, build and commit come from the manifest, as Packer knew them. Whether and when the image takes traffic is Driftless's
to decide; nothing is applied here."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path


def last_build(manifest):
    """Packer adds to a manifest that is there: the build that counts is the one of the last run, never simply the first."""
    builds = [build for build in manifest["builds"] if build["packer_run_uuid"] == manifest["last_run_uuid"]]
    if len(builds) != 1:
        sys.exit(f"the last run has {len(builds)} builds, expected one")
    return builds[0]


def image_of(build):
    """The region and the id of a build's image: `eu-central-1:ami-0123456789abcdef0`."""
    match = re.fullmatch(r"([a-z]{2}(?:-[a-z]+)+-\d):(ami-[0-9a-f]{8}(?:[0-9a-f]{9})?)", build["artifact_id"])
    if not match:
        sys.exit(f"{build['artifact_id']!r} is no image in one region")
    return match.groups()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--bus", required=True, help="name of Driftless's event bus")
    parser.add_argument("--url", required=True, help="where to read about this build")
    options = parser.parse_args()
    if not options.bus:
        parser.error("--bus is empty. Is the repository variable set?")
    build = last_build(json.loads(options.manifest.read_text(encoding="utf-8")))
    region, image = image_of(build)
    about = build["custom_data"]
    detail = {"fleet": about["fleet"], "imageId": image, "build": about["build"], "commit": about["commit"], "url": options.url}
    entry = {"Source": "driftless.ci", "DetailType": "image.published", "EventBusName": options.bus, "Detail": json.dumps(detail)}
    answer = subprocess.run(
        ["aws", "events", "put-events", "--region", region, "--entries", json.dumps([entry]), "--output", "json"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout
    # The call itself succeeds also where the bus has turned the event away.
    answer = json.loads(answer)
    if answer["FailedEntryCount"] != 0:
        sys.exit(f"the event was not taken: {answer['Entries']}")
    print(f"{image} is published for {about['fleet']}: build {about['build']}")


if __name__ == "__main__":
    main()
