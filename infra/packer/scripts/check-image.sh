#!/usr/bin/env bash
# Whether the hardening held. The build ends with it, and fails with it; it stays on the image as `check-image`, so that
# an operator can run it again on any instance. Prints every problem, and exits with 1 if there is one. Changes nothing.
set -euo pipefail

problems=0
problem() {
    printf 'problem: %s\n' "$*"
    problems=$((problems + 1))
}

# One problem for all that a search finds, with the first few. A search that fails has found nothing out, which is a problem.
none() {
    local what=$1 found
    shift
    if ! found=$(find "$@" 2>&1); then
        problem "cannot look for: $what ($found)"
    elif [[ -n $found ]]; then
        problem "$what:"
        head --lines 10 <<<"$found" | sed 's/^/    /'
    fi
}

# The same in places of which only some exist.
none_there() {
    local what=$1 place places=()
    shift
    while [[ ${1:-} == /* ]]; do
        [[ -e $1 ]] && places+=("$1")
        shift
    done
    for place in "${places[@]}"; do
        none "$what" "$place" "$@"
    done
}

masked() {
    local unit
    for unit in "$@"; do
        [[ /etc/systemd/system/$unit -ef /dev/null ]] || problem "$unit is not masked"
    done
}

no_ssh() {
    masked ssh.service ssh.socket sshd.service sshd.socket
    none_there 'host keys' /etc/ssh -name 'ssh_host_*'
    none 'keys that open an account' / -xdev -type f -name 'authorized_keys*'
    if command -v rpm >/dev/null && rpm --query --quiet openssh-server; then
        problem 'openssh-server is installed'
    fi
}

nobody_logs_in() {
    local name password uid shell
    while IFS=: read -r name password _; do
        if [[ -z $password ]]; then
            problem "$name needs no password"
        elif [[ $password != [*!]* ]]; then
            problem "$name has a password"
        fi
    done < /etc/shadow
    while IFS=: read -r name _ uid _ _ _ shell; do
        if ((uid == 0)) && [[ $name != root ]]; then problem "$name is another root"; fi
        if ((uid >= 1000 && uid < 65534)) && [[ $name != ssm-user && $shell != */nologin && $shell != */false ]]; then
            problem "$name has the shell $shell"
        fi
    done < /etc/passwd
    none_there 'others than Session Manager may become root' \
        /etc/sudoers.d -type f ! -name README ! -name ssm-agent-users
}

application() {
    local tree=/opt/app/root
    if [[ ! -x $tree/app ]]; then
        problem "there is no application in $tree"
        return
    fi
    none 'someone may write to the application' /opt/app ! -type l -perm /222
    none 'the application is not all root'\''s' /opt/app ! -user root -o ! -group root
    none 'the application has rights of its own' /opt/app -perm /6000
    none 'the application brings more than files' /opt/app ! -type f ! -type d ! -type l
    none 'someone may write to the configuration' /etc/app /etc/image-release -type f -perm /222
    [[ -e /etc/systemd/system/multi-user.target.wants/app.service ]] || problem 'app.service is not enabled'
    # 0 is sealed, 100 is open; a service without any setting has about 96.
    systemd-analyze security --offline=true --no-pager --threshold=15 app.service >/dev/null 2>&1 ||
        problem 'app.service is open for more than it needs'
}

# The audit: all places that an account other than root may write to, except those that are empty at each boot.
who_may_write() {
    local folder
    for folder in /usr /etc /opt /boot /srv /root; do
        none "in $folder, others than root may write" "$folder" -xdev ! -type l -perm /022
    done
    none 'in /usr and /opt, files of others than root' /usr /opt -xdev ! -user root
    none 'files that all may write' / -xdev -type f -perm /002
    none 'directories that all may write, where each may delete the others'\'' files' \
        / -xdev -type d -perm /002 ! -perm /1000
    none 'files of nobody who is known' / -xdev \( -nouser -o -nogroup \)
    none 'programs with another'\''s rights' \
        / -xdev -type f -perm /6000 ! -name sudo ! -name unix_chkpwd ! -name dbus-daemon-launch-helper
}

settings() {
    local file
    for file in /etc/sysctl.d/60-hardening.conf /etc/modprobe.d/60-hardening.conf /etc/audit/rules.d/60-writes.rules \
        /etc/cloud/cloud.cfg.d/99-immutable.cfg /etc/systemd/coredump.conf.d/60-hardening.conf /etc/profile.d/60-hardening.sh; do
        [[ -s $file ]] || problem "$file is missing"
    done
    masked dnf-makecache.timer apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service debug-shell.service ctrl-alt-del.target
}

# True before the first boot only: afterwards these are the instance's own.
nothing_of_the_build() {
    none_there 'package caches' \
        /var/cache/dnf /var/cache/yum /var/cache/apt/archives /var/lib/apt/lists -type f
    none 'leftovers of the build' /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*'
    none_there 'what the builder was' /var/lib/cloud/instances /root/.bash_history /var/lib/systemd/random-seed
    [[ ! -s /etc/machine-id ]] || problem 'every instance would have the same machine-id'
}

no_ssh
nobody_logs_in
application
who_may_write
settings
[[ ${1:-} == --booted ]] || nothing_of_the_build

if ((problems > 0)); then
    printf '%d problems: this is not an image to release\n' "$problems"
    exit 1
fi
echo 'the hardening holds'
