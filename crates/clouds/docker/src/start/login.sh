# Log-in, once; hosts lines, at every start.
set -u
state=/var/lib/im-node
if [ ! -e "$state/started" ]; then
    mkdir -p -m 0700 "$state"
    if [ -n "${IM_ROOT_PASSWORD:-}" ]; then
        printf 'root:%s\n' "$IM_ROOT_PASSWORD" | chpasswd || exit 1
    fi
    if [ -n "${IM_AUTHORIZED_KEY:-}" ]; then
        mkdir -p -m 0700 /root/.ssh
        printf '%s\n' "$IM_AUTHORIZED_KEY" >>/root/.ssh/authorized_keys
        chmod 0600 /root/.ssh/authorized_keys
    fi
    config=/etc/ssh/sshd_config
    if [ -f "$config" ]; then
        # The first value counts.
        { printf 'PermitRootLogin yes\nPasswordAuthentication yes\n'; cat "$config"; } >"$state/sshd_config"
        cat "$state/sshd_config" >"$config"
        rm -f "$state/sshd_config"
    fi
    # There is no audit session in a container.
    if [ -f /etc/pam.d/sshd ]; then
        sed -i 's/^session[[:space:]][[:space:]]*required[[:space:]][[:space:]]*pam_loginuid/#&/' /etc/pam.d/sshd
    fi
    : >"$state/started"
fi
unset IM_ROOT_PASSWORD IM_AUTHORIZED_KEY
if [ -s /etc/hosts.im ] && ! grep -qxF '# im' /etc/hosts; then
    { echo '# im'; cat /etc/hosts.im; } >>/etc/hosts
fi
mkdir -p -m 0755 /run/sshd
if ! ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 && command -v ssh-keygen >/dev/null 2>&1; then
    ssh-keygen -A
fi
