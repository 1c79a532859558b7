"""Runs the scripts of `infra/packer` in a Debian root directory of its own, and prints what became of it, as JSON.

Started by test_hardening.py as root in namespaces of its own: everything here is on a tmpfs and gone with the process.

    debian_root.py <root.tar> <app.tar>     hardens a copy of the root directory in root.tar
    debian_root.py --make <root.tar>        makes root.tar: debootstrap, and what a cloud's image has besides
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKER = HERE.parents[1] / "infra" / "packer"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
# SSH and sudo, so that there is something to take away; procps and curl to look at the machine when it runs.
PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,sudo,procps,curl"
WORK = Path("/mnt")
ROOT = WORK / "root"
UPLOAD = "/tmp/image-build"
RELEASE = {"IMAGE_FLEET": "app", "IMAGE_BUILD": "7.1", "IMAGE_COMMIT": "3f2c1d9"}

# What an image of Amazon's has and a plain Debian does not: a user with a key who may become root, caches, a past.
LIKE_A_CLOUD = """
set -eu
useradd --create-home --shell /bin/bash ec2-user
install -d -m 0700 -o ec2-user -g ec2-user /home/ec2-user/.ssh
echo 'ssh-ed25519 AAAA builder' > /home/ec2-user/.ssh/authorized_keys
install -d -m 0700 /root/.ssh
echo 'ssh-ed25519 AAAA builder' > /root/.ssh/authorized_keys
echo 'ec2-user ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/90-cloud-init-users
mkdir -p /var/lib/cloud/instances/i-0123456789abcdef0 /var/cache/dnf
echo cached > /var/cache/dnf/packages.solv
echo 'export TOKEN=of-the-builder' > /root/.bash_history
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
install -d -m 0777 /var/lib/shared
echo all > /var/lib/shared/all
chmod 0666 /var/lib/shared/all
install -m 4755 /bin/true /usr/local/bin/becomes-root
"""

# How a hardened image may be spoilt, and a word of what the check must say.
BREAKS = {
    "a host key": ("touch /etc/ssh/ssh_host_rsa_key", "host keys"),
    "an authorized key": ("mkdir -p /root/.ssh && echo key > /root/.ssh/authorized_keys", "keys that open an account"),
    "SSH unmasked": ("rm /etc/systemd/system/ssh.service", "ssh.service is not masked"),
    "an account with a password": ("echo root:secret | chpasswd", "root has a password"),
    "an account without a password": ("passwd --quiet --delete root", "root needs no password"),
    "a second root": ("useradd --non-unique --uid 0 toor", "toor is another root"),
    "a person's shell": ("usermod --shell /bin/bash ec2-user", "ec2-user has the shell"),
    "a sudoer": ("echo 'ec2-user ALL=(ALL) ALL' > /etc/sudoers.d/more", "may become root"),
    "a writable program": ("chmod u+w /opt/app/root/app", "someone may write to the application"),
    "a program of another's": ("chown 1000 /opt/app/root/app", "not all root's"),
    "a program with rights": ("chmod u+s /opt/app/root/app", "rights of its own"),
    "no program": ("rm /opt/app/root/app", "no application"),
    "a writable setting": ("chmod u+w /etc/app/app.env", "write to the configuration"),
    "a service that is not enabled": ("systemctl disable app.service", "not enabled"),
    "a service without walls": (r"sed -i '/^Protect\|^Restrict\|^SystemCall\|^Private\|^Dynamic\|^Capab/d' /etc/systemd/system/app.service", "open for more"),
    "a configuration of the group's": ("chmod g+w /etc/app", "in /etc, others than root may write"),
    "a program of a person's": ("chown 1000 /usr/bin/env", "files of others than root"),
    "a file of everybody's": ("touch /var/lib/file && chmod 666 /var/lib/file", "files that all may write"),
    "a directory of everybody's": ("install -d -m 0777 /var/lib/open", "directories that all may write"),
    "a file of nobody's": ("touch /var/lib/file && chown 4711 /var/lib/file", "files of nobody who is known"),
    "another program with rights": ("chmod u+s /usr/bin/env", "programs with another's rights"),
    "a setting that is missing": ("rm /etc/sysctl.d/60-hardening.conf", "60-hardening.conf is missing"),
    "a timer that updates": ("rm /etc/systemd/system/apt-daily.timer", "apt-daily.timer is not masked"),
    "a package cache": ("mkdir -p /var/cache/dnf && touch /var/cache/dnf/x", "package caches"),
    "a leftover": ("touch /tmp/secret", "leftovers of the build"),
    "an identity": ("echo 0123 > /etc/machine-id", "the same machine-id"),
    "a search that fails": ("rm -r /srv", "cannot look for"),
}


def command(*arguments, **options):
    return subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def must(*arguments, **options):
    result = command(*arguments, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(str(a) for a in arguments)}: {result.stdout}")
    return result.stdout


def chroot(script, root=ROOT, **environment):
    """Runs a script in the root directory, as root, and answers with its exit code and what it said."""
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **environment}
    result = command("chroot", root, "/bin/bash", "-c", script, env=environment)
    return {"code": result.returncode, "said": result.stdout}


def make(target):
    """debootstrap itself comes as a package too, checked by apt against the keys that this machine trusts."""
    apt = WORK / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    options = ["-qq", "-o", f"Dir::State::lists={apt}/lists", "-o", f"Dir::Cache={apt}/cache", "-o", "APT::Sandbox::User=root"]
    must("apt-get", *options, "update")
    must("apt-get", *options, "download", "debootstrap", "debian-archive-keyring", cwd=apt)
    for package in apt.glob("*.deb"):
        must("dpkg-deb", "--extract", package, apt / "tools")
    must(
        "sh", apt / "tools/usr/sbin/debootstrap", "--variant=minbase", f"--include={PACKAGES}",
        f"--keyring={apt}/tools/usr/share/keyrings/debian-archive-keyring.gpg", SUITE, ROOT, MIRROR,
        env={**os.environ, "DEBOOTSTRAP_DIR": f"{apt}/tools/usr/share/debootstrap"},
    )
    # debootstrap leaves it mounted; it goes with the namespace, and must not go into the archive.
    command("umount", "--recursive", ROOT / "proc")
    command("umount", "--recursive", ROOT / "sys")
    must("tar", "--create", "--numeric-owner", "--one-file-system", "--file", f"{target}.new", "--directory", ROOT, ".")
    os.rename(f"{target}.new", target)


def upload(application):
    """What Packer's file provisioners put on the builder."""
    folder = ROOT / UPLOAD.lstrip("/")
    folder.mkdir(parents=True)
    for name in ("scripts", "configs"):
        shutil.copytree(PACKER / name, folder / name)
    shutil.copy(application, folder / "app.tar")


def harden(application):
    """The steps of the build from where packages are installed, as Packer runs them: in one shell that ends with the first failure."""
    upload(application)
    steps = [f"bash {UPLOAD}/scripts/configure-app.sh", f"bash {UPLOAD}/scripts/harden-os.sh", "/usr/local/sbin/check-image"]
    return chroot("set -e\n" + "\n".join(steps), **RELEASE)


def snapshot():
    """Every file with its mode, owner and content: two snapshots that are equal are the same image."""
    files = {}
    for folder, folders, names in os.walk(ROOT):
        if Path(folder) == ROOT:
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev", "run")]
        for name in [*folders, *names]:
            path = Path(folder) / name
            about = path.lstat()
            content = ""
            if stat.S_ISLNK(about.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(about.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            files[str(path.relative_to(ROOT))] = [oct(about.st_mode), about.st_uid, about.st_gid, content]
    return files


def over(lower, name):
    """A copy of a root directory that costs nothing: changes go elsewhere."""
    layer = WORK / "layers" / name
    for folder in ("changes", "work", "root"):
        (layer / folder).mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={layer}/changes,workdir={layer}/work"
    must("mount", "-t", "overlay", "overlay", "-o", options, layer / "root")
    for device in ("null", "zero", "urandom"):
        (layer / "root/dev" / device).touch()
        must("mount", "--bind", f"/dev/{device}", layer / "root/dev" / device)
    return layer / "root"


def broken_applications():
    """Archives that must be turned away."""
    folder = WORK / "archives"
    folder.mkdir()
    for name, entries in {"pipe": {"app": tarfile.REGTYPE, "pipe": tarfile.FIFOTYPE}, "empty": {"readme": tarfile.REGTYPE}}.items():
        with tarfile.open(folder / f"{name}.tar", "w") as archive:
            for entry, kind in entries.items():
                member = tarfile.TarInfo(entry)
                member.type, member.mode = kind, 0o755
                archive.addfile(member)
        yield name, folder / f"{name}.tar"


def try_all(archive, application):
    ROOT.mkdir()
    must("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", ROOT)
    for device in ("null", "zero", "urandom"):
        (ROOT / "dev" / device).unlink(missing_ok=True)
        (ROOT / "dev" / device).touch()
        must("mount", "--bind", f"/dev/{device}", ROOT / "dev" / device)
    facts = {"prepared": chroot(LIKE_A_CLOUD)}
    shutil.copy(PACKER / "scripts" / "check-image.sh", ROOT / "root" / "check")
    facts["before"] = chroot("bash /root/check")
    (ROOT / "root" / "check").unlink()

    facts["refused"] = {}
    for name, tar in broken_applications():
        upload(tar)
        facts["refused"][name] = chroot(f"bash {UPLOAD}/scripts/configure-app.sh", **RELEASE)
        shutil.rmtree(ROOT / UPLOAD.lstrip("/"))

    facts["first"] = harden(application)
    if facts["first"]["code"] != 0:
        sys.exit(f"hardening failed: {facts['first']['said']}")
    first = snapshot()
    facts["second"] = harden(application)
    second = snapshot()
    facts["changed_by_second"] = sorted(path for path in first.keys() | second.keys() if first.get(path) != second.get(path))
    facts["files"] = {path: about for path, about in second.items() if path.startswith(("etc/ssh", "opt/", "etc/app", "etc/image", "var/cache", "var/lib/apt/lists", "tmp/", "home", "root"))}
    nobody = "setpriv --reuid 65532 --regid 65532 --clear-groups"
    facts["writable_for_nobody"] = chroot(f"{nobody} find / -xdev ! -type l -writable ! -path '/dev/*' 2>/dev/null; true")["said"].split()
    facts["nobody_writes"] = chroot(f"{nobody} touch /opt/app/root/app")
    facts["unit"] = chroot("systemd-analyze verify --man=no app.service")
    facts["exposure"] = chroot("systemd-analyze security --offline=true --no-pager app.service | tail -n 1")["said"]

    facts["breaks"] = {}
    for number, (name, (script, _)) in enumerate(BREAKS.items()):
        root = over(ROOT, str(number))
        broken = chroot(script, root)
        facts["breaks"][name] = {"broken": broken, "check": chroot("/usr/local/sbin/check-image", root)}
    return facts


if __name__ == "__main__":
    must("mount", "-t", "tmpfs", "-o", "mode=0755,size=3g", "tmpfs", WORK)
    if sys.argv[1] == "--make":
        make(sys.argv[2])
    else:
        json.dump(try_all(sys.argv[1], sys.argv[2]), sys.stdout)
