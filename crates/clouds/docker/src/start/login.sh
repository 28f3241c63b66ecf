# Log-in, once; hosts lines, at every start.
set -u
state=/var/lib/im-node
if [ ! -e "$state/started" ]; then
    if [ -s "$state/password" ]; then
        { printf 'root:'; cat "$state/password"; echo; } | chpasswd || exit 1
    fi
    if [ -s "$state/key" ]; then
        mkdir -p -m 0700 /root/.ssh
        { cat "$state/key"; echo; } >>/root/.ssh/authorized_keys
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
    rm -f "$state/password" "$state/key"
fi
if [ -s /etc/hosts.im ] && ! grep -qxF '# im' /etc/hosts; then
    { echo '# im'; cat /etc/hosts.im; } >>/etc/hosts
fi
mkdir -p -m 0755 /run/sshd
if ! ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 && command -v ssh-keygen >/dev/null 2>&1; then
    ssh-keygen -A
fi
