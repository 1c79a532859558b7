#!/usr/bin/env bash
# Puts the application and its configuration in place: owned by root, with no write permission for any account.
# Needs app.tar, the root file system of the container, beside `scripts/`; IMAGE_FLEET, IMAGE_BUILD and IMAGE_COMMIT.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${IMAGE_FLEET:?}" "${IMAGE_BUILD:?}" "${IMAGE_COMMIT:?}"

# Beside the old tree and then in its place: a second run leaves nothing of the first.
rm -rf /opt/app/next
mkdir -p /opt/app/next
tar --extract --file "$here/app.tar" --directory /opt/app/next --no-same-owner --no-same-permissions

strange=$(find /opt/app/next ! -type f ! -type d ! -type l -print)
if [[ -n $strange ]]; then
    printf 'the application brings devices, pipes or sockets:\n%s\n' "$strange" >&2
    exit 1
fi
if [[ ! -x /opt/app/next/app ]]; then
    echo 'the application has no program /app' >&2
    exit 1
fi

# Where systemd mounts what every process sees; an image from scratch has none of it.
mkdir -p /opt/app/next/{proc,sys,dev,run,tmp,var/tmp,etc}
chown -R --no-dereference root:root /opt/app/next
find /opt/app/next ! -type l -exec chmod a+rX,a-w,a-st {} +
rm -rf /opt/app/root
mv /opt/app/next /opt/app/root
chown root:root /opt/app
chmod 0555 /opt/app

shopt -s globstar
for file in "$here"/configs/app/**; do
    [[ -f $file ]] || continue
    install -D --owner root --group root --mode 0444 "$file" "/${file#"$here"/configs/app/}"
done

# Read by the unit, and by an operator who checks which release runs here. Without a time: the same input makes the same image.
printf 'IMAGE_FLEET=%s\nIMAGE_BUILD=%s\nIMAGE_COMMIT=%s\n' "$IMAGE_FLEET" "$IMAGE_BUILD" "$IMAGE_COMMIT" > /etc/image-release
chmod 0444 /etc/image-release

systemctl enable app.service
