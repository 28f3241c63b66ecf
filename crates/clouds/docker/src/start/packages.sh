PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
have() { command -v "$1" >/dev/null 2>&1; }
if ! have sshd; then
    if have apt-get; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update && apt-get install -y --no-install-recommends openssh-server python3
    elif have dnf; then
        dnf install -y openssh-server python3
    elif have microdnf; then
        microdnf install -y openssh-server python3 shadow-utils
    elif have yum; then
        yum install -y openssh-server python3
    elif have zypper; then
        zypper -n install openssh python3
    elif have apk; then
        apk add --no-cache openssh python3
    else
        echo "no sshd in this image, and no package manager that could install it" >&2
        exit 1
    fi || exit 1
fi
