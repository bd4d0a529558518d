#!/usr/bin/env bash
# Runs every `sh run` block of DEPLOYMENT.md in a fresh Debian 12, in order, and tells the minutes from the first command to
# the first finished job. As root, with debootstrap; ports 80, 443 and 8000 must be free:
#
#   tests/deploy/clean_root.sh [folder of an unpacked minimal Debian to use]
#
# A chroot has no systemd: `systemctl` there starts a unit's own command, as its user, in its folder. The certificate of
# rushes.example.org is self-signed, and that name is this machine. BIND="/a /b" shows more folders of the host (an own
# package index, say); the host's pip settings and certificates are taken over.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
base=${1:-}
root=$(mktemp -d /var/tmp/rushes-clean-root.XXXX)
chmod 0755 "$root" # users other than root must get through

stop() {
    chroot "$root" systemctl stop rushes 2> /dev/null || true
    chroot "$root" nginx -s quit 2> /dev/null || true
    sleep 1
    for mount in $(awk -v root="$root/" '$2 ~ "^" root {print $2}' /proc/mounts | sort -r); do umount "$mount"; done
    rm -rf "$root"
}
trap stop EXIT

if [ -n "$base" ]; then
    cp -a "$base/." "$root"
else
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root" > "$root.log"
fi
for folder in /proc /dev ${BIND:-}; do mkdir -p "$root$folder" && mount --bind "$folder" "$root$folder"; done
mount -t tmpfs tmpfs "$root/dev/shm" 2> /dev/null || true
cp /etc/resolv.conf "$root/etc/"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
printf '127.0.0.1 localhost rushes.example.org\n' > "$root/etc/hosts"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"

mkdir -p "$root/opt/rushes" "$root/etc/letsencrypt/live/rushes.example.org"
(cd "$repo" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T - 2> /dev/null) |
    tar -xf - --no-same-owner -C "$root/opt/rushes"
# A history to upgrade along, as the guide does: v0.1.0, which is checked out, and v0.2.0, which only the origin has.
history() { git -C "$root/opt/rushes" -c user.name=trial -c user.email=trial@localhost -c init.defaultBranch=main "$@"; }
history init --quiet
history add --all
history commit --quiet --message=old && history tag v0.1.0
history commit --quiet --allow-empty --message=new && history tag v0.2.0
git clone --quiet --bare "$root/opt/rushes" "$root/srv/rushes.git"
history tag --delete v0.2.0 && history checkout --quiet v0.1.0
history remote add origin /srv/rushes.git
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rushes.example.org -addext subjectAltName=DNS:rushes.example.org \
    -keyout "$root/etc/letsencrypt/live/rushes.example.org/privkey.pem" \
    -out "$root/etc/letsencrypt/live/rushes.example.org/fullchain.pem" 2> /dev/null
cat /etc/ssl/certs/ca-certificates.crt "$root/etc/letsencrypt/live/rushes.example.org/fullchain.pem" > "$root/etc/trusted.crt"

cat > "$root/usr/local/bin/systemctl" <<'SHIM'
#!/bin/bash
# What systemd would do with these units, as far as a chroot can.
verb=$1; shift; [ "${1:-}" != --now ] || shift
of() { sed -n "s/^$1=//p" "/etc/systemd/system/$2.service"; }
stop() { [ ! -f "/run/$1.pid" ] || { kill "$(cat "/run/$1.pid")"; tail --pid="$(cat "/run/$1.pid")" -f /dev/null; rm "/run/$1.pid"; }; }
start() {
    install -d -o "$(of User "$1")" -m 0700 "/var/lib/$(of StateDirectory "$1")"
    mapfile -t environment < <(of Environment "$1" | tr ' ' '\n')
    setsid setpriv --reuid "$(of User "$1")" --regid "$(of Group "$1")" --clear-groups \
        env -i -C "$(of WorkingDirectory "$1")" PATH=/usr/bin:/bin "${environment[@]}" \
        bash -c "$(of ExecStart "$1")" > "/var/log/$1.log" 2>&1 < /dev/null &
    echo $! > "/run/$1.pid"
}
for unit in "$@"; do
    unit=${unit%.service}
    case $verb-$unit in
        *-*.timer) ;;
        *-nginx) nginx -s reload 2> /dev/null || nginx ;;
        start-* | enable-*) start "$unit" ;;
        stop-*) stop "$unit" ;;
        restart-*) stop "$unit"; start "$unit" ;;
    esac
done
SHIM
chmod +x "$root/usr/local/bin/systemctl"

# One shell for all blocks, as a person has; it says what it runs, and stops at the first that fails.
{
    echo 'set -eu; export DEBIAN_FRONTEND=noninteractive SSL_CERT_FILE=/etc/trusted.crt CURL_CA_BUNDLE=/etc/trusted.crt'
    awk '/^```sh run$/ {on = 1; next} /^```/ {on = 0} on' "$repo/DEPLOYMENT.md" |
        sed 's/^rushes submit .*/&\necho "First job finished after $SECONDS s"/'
} > "$root/run.sh"
chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root bash -x /run.sh
echo "Every block of DEPLOYMENT.md ran."
