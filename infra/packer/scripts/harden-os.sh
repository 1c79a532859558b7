#!/usr/bin/env bash
# The last change that the image sees. Needs no package manager, and may run as often as one likes. check-image.sh says
# whether it held.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

settings() {
    local file
    shopt -s globstar
    for file in "$here"/configs/hardening/**; do
        [[ -f $file ]] || continue
        install -D --owner root --group root --mode 0444 "$file" "/${file#"$here"/configs/hardening/}"
    done
}

# A link, not `systemctl mask`: that refuses where the distribution has an alias of the same name.
mask() {
    local unit
    for unit in "$@"; do
        ln --symbolic --force --no-dereference /dev/null "/etc/systemd/system/$unit"
    done
}

# Masked also where the package is gone: one that comes back does not start.
no_ssh() {
    mask ssh.service ssh.socket sshd.service sshd.socket sshd-keygen.target
    rm -f /etc/ssh/ssh_host_*
    find / -xdev -type f \( -name authorized_keys -o -name authorized_keys2 \) -delete
}

# What would change the machine by itself, and what only an operator at a screen could use.
nothing_changes_by_itself() {
    mask dnf-makecache.timer dnf-automatic.timer dnf-automatic-install.timer apt-daily.timer apt-daily-upgrade.timer \
        unattended-upgrades.service debug-shell.service ctrl-alt-del.target
}

# People's accounts stay as owners of what they own, and can't be used. Session Manager makes its own.
nobody_logs_in() {
    local name uid nologin
    nologin=$(command -v nologin)
    while IFS=: read -r name _ uid _; do
        if ((uid == 0)); then
            usermod --lock root
        elif ((uid >= 1000 && uid < 65534)); then
            usermod --lock --expiredate 1 --shell "$nologin" "$name"
        fi
    done < /etc/passwd
    find /etc/sudoers.d -type f ! -name README ! -name ssm-agent-users -delete
}

# With the rights of another: only what a session needs, and what PAM checks a password with.
few_set_ids() {
    find / -xdev -type f -perm /6000 ! -name sudo ! -name unix_chkpwd ! -name dbus-daemon-launch-helper -exec chmod a-s {} +
}

# Programs and configuration are root's to write; where all may write, each may delete only what is theirs.
only_root_writes() {
    local folder
    for folder in /usr /etc /opt /boot /srv /root; do
        find "$folder" -xdev ! -type l -perm /022 -exec chmod go-w {} +
    done
    find / -xdev -type f -perm /002 -exec chmod o-w {} +
    find / -xdev -type d -perm /002 ! -perm /1000 -exec chmod +t {} +
    # A mail directory of a group without members.
    find /var/local /var/mail /var/spool/mail -maxdepth 0 -type d -exec chmod go-w {} + 2>/dev/null || true
}

# Every instance is its own: identity, randomness and history begin at its first boot.
nothing_of_the_build() {
    rm -rf /var/cache/dnf /var/cache/yum /var/cache/apt/archives /var/lib/apt/lists /var/cache/ldconfig/aux-cache
    rm -f /var/cache/apt/*.bin
    rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data /var/lib/cloud/sem
    # Backups of the account files, with old passwords.
    rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid-
    rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /root/.bash_history /home/*/.bash_history
    find /var/log -type f -exec truncate --size 0 {} +
    : > /etc/machine-id
    # Last, for the scripts themselves are there: bash has them open.
    find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' -exec rm -rf {} +
}

settings
install --owner root --group root --mode 0555 "$here/scripts/check-image.sh" /usr/local/sbin/check-image
no_ssh
nothing_changes_by_itself
nobody_logs_in
few_set_ids
only_root_writes
nothing_of_the_build
