# Brings a VM to where Ansible can work. Comes through standard input, after IM_* and root.sh; safe to repeat.
im_user_part() {
    mkdir -p "$HOME/.ssh" || im_fail "the folder $HOME/.ssh cannot be made"
    im_authorize "$HOME/.ssh/authorized_keys" "$IM_USER_KEY" ||
        im_fail "the key of the infrastructure cannot be added to $HOME/.ssh/authorized_keys"
    if [ -n "$IM_NEW_KEY" ]; then
        im_authorize "$HOME/.ssh/authorized_keys" "$IM_NEW_KEY" && echo "::im::credentials key"
    fi
    # Some clouds take away the lines of the home that they know of; the comment makes this one another.
    if [ -d "/home/$(id -un)/.ssh" ]; then
        im_authorize "/home/$(id -un)/.ssh/authorized_keys" "${IM_USER_KEY}2" 2>/dev/null
    fi
}

IM_ROOT_PART='
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
stamp=/var/lib/im-basic
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
[ "$(cat $stamp 2>/dev/null)" = "$boot $1" ] && exit 0
if [ -d /var/lib/apt/periodic ]; then
    touch /var/lib/apt/periodic/upgrade-stamp /var/lib/apt/periodic/update-stamp \
        /var/lib/apt/periodic/download-upgradeable-stamp
fi
if [ -d /run/systemd/system ]; then
    timeout 300 systemctl is-system-running --wait >/dev/null 2>&1
fi
install_package() {
    if command -v apt-get >/dev/null; then
        apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1 ||
            { apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq --no-install-recommends "$1" >/dev/null; }
    elif command -v dnf >/dev/null; then dnf install -y -q "$1" >/dev/null
    elif command -v yum >/dev/null; then yum install -y -q "$1" >/dev/null
    elif command -v zypper >/dev/null; then zypper -n -q install "$1" >/dev/null
    elif command -v apk >/dev/null; then apk add -q "$1" >/dev/null
    else return 1; fi
}
if ! command -v python3 >/dev/null; then
    echo "Installing Python."
    install_package python3 || { echo "::im::failed Python 3 is missing and cannot be installed"; exit 1; }
fi
[ -e /usr/bin/python ] || ln -s "$(command -v python3)" /usr/bin/python 2>/dev/null
if command -v getenforce >/dev/null && [ "$(getenforce)" != Disabled ]; then
    python3 -c "import selinux" 2>/dev/null || install_package python3-libselinux
    setenforce 0 2>/dev/null
    sed -i "s/^SELINUX=.*/SELINUX=disabled/" /etc/selinux/config 2>/dev/null
fi
if [ -n "$2" ] && [ "$(hostname 2>/dev/null)" != "$2" ]; then
    if [ -d /run/systemd/system ] && command -v hostnamectl >/dev/null; then
        hostnamectl set-hostname "$2" 2>/dev/null
    else
        hostname "$2" 2>/dev/null && printf "%s\n" "$2" >/etc/hostname 2>/dev/null
    fi
fi
if [ "$3" = yes ]; then
    sysctl -q -w net.ipv4.ip_forward=1
    for card in eth0 ens4; do
        [ -e "/sys/class/net/$card" ] || continue
        iptables -t nat -C POSTROUTING -o "$card" -j MASQUERADE 2>/dev/null ||
            iptables -t nat -A POSTROUTING -o "$card" -j MASQUERADE
    done
fi
if grep -qs "^ID=ubuntu" /etc/os-release &&
    [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name "*Packages*" -mmin -60 2>/dev/null | head -n 1)" ]; then
    timeout 120 apt-get update -qq >/dev/null 2>&1
fi
printf "%s\n" "$boot $1" >$stamp 2>/dev/null
exit 0
'

im_main() {
    echo "::im::reached"
    echo "Launch task: basic"
    umask 077
    im_user_part
    umask 022
    im_choose_root
    if [ "$IM_ROOT" = none ]; then
        im_fail "$(id -un) may not become root with sudo"
    fi
    if [ -n "$IM_NEW_PASSWORD" ]; then
        if im_change_password; then
            echo "::im::credentials password"
            [ "$IM_ROOT" != password ] || IM_SUDO=$IM_NEW_PASSWORD
        else
            im_fail "the new password could not be set"
        fi
    fi
    [ "$IM_ROOT" = root ] || [ -z "$IM_SUDO" ] || echo "::im::become $IM_SUDO"
    im_hash=$(printf '%s' "$IM_ROOT_PART $IM_FQDN $IM_NAT" | cksum | tr ' ' -)
    im_root "set -- '$im_hash' '$IM_FQDN' '$IM_NAT'
$IM_ROOT_PART" || exit 1
}
im_main </dev/null
