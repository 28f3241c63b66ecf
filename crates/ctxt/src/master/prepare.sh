# Finds Ansible on the master or installs it. Comes through standard input, after IM_* and root.sh; safe to repeat.
#   IM_ORDER    ways to try: image, pip, packages
#   IM_CORE     the series of ansible-core that is asked for (2.16), empty when any will do
#   IM_PIP      what pip installs: the requirement for ansible-core
#   IM_VENV     our own virtual environment
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
im_said=

# Tells of an ansible-playbook that works, in the series asked for.
im_check() { # PLAYBOOK
    [ -x "$1" ] || return 1
    im_real=$(readlink -f "$1")
    im_line=$(head -n 1 "$im_real" | cut -c3-)
    for im_python in "${im_real%/*}/python3" ${im_line#/usr/bin/env } python3; do
        im_python=$(command -v "$im_python" 2>/dev/null) || continue
        im_found=$("$im_python" -c 'import ansible.release as r; print(r.__version__)' 2>/dev/null) || continue
        if [ -n "$IM_CORE" ]; then
            case "$im_found" in
            "$IM_CORE"|"$IM_CORE".*) ;;
            *)
                echo "::im::log Ansible core $im_found is installed, but series $IM_CORE is asked for."
                return 1
                ;;
            esac
        fi
        echo "::im::ansible $1|$im_python|$im_found"
        return 0
    done
    return 1
}

im_image() {
    for im_try in "$(command -v ansible-playbook)" /usr/local/bin/ansible-playbook /opt/*/bin/ansible-playbook \
        "$HOME/.local/bin/ansible-playbook" /var/tmp/.mamba/envs/ansible/bin/ansible-playbook; do
        [ -n "$im_try" ] && im_check "$im_try" && return 0
    done
    return 1
}

im_install() { # PACKAGE...: of the distribution
    [ "$IM_ROOT" != none ] || { im_said="$(id -un) may not become root with sudo"; return 1; }
    if command -v apt-get >/dev/null; then
        im_cmd="apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $*"
        im_said=$(im_root "export DEBIAN_FRONTEND=noninteractive; $im_cmd 2>&1 ||
            { apt-get -qq -o DPkg::Lock::Timeout=120 update; $im_cmd; } 2>&1")
    elif command -v dnf >/dev/null; then im_said=$(im_root "dnf install -y -q $* 2>&1")
    elif command -v yum >/dev/null; then im_said=$(im_root "yum install -y -q $* 2>&1")
    elif command -v zypper >/dev/null; then im_said=$(im_root "zypper -n -q install $* 2>&1")
    elif command -v apk >/dev/null; then im_said=$(im_root "apk add -q $* 2>&1")
    else im_said="no package manager is known here"; return 1; fi
}

im_pip() {
    if [ -e "$IM_VENV/complete" ] && im_check "$IM_VENV/bin/ansible-playbook"; then return 0; fi
    echo "::im::log Installing Ansible with pip in the master VM."
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        if command -v apt-get >/dev/null; then im_install python3-venv
        else im_install python3-pip; fi
    fi
    rm -rf "$IM_VENV"
    mkdir -p "${IM_VENV%/*}" || { im_said="${IM_VENV%/*} cannot be made"; return 1; }
    im_said=$(python3 -m venv "$IM_VENV" 2>&1) || return 1
    # Compiled at first use, which is for few of the files.
    im_said=$("$IM_VENV/bin/python3" -m pip install -q --no-compile $IM_PIP 2>&1) || return 1
    : >"$IM_VENV/complete"
    im_check "$IM_VENV/bin/ansible-playbook"
}

im_packages() {
    echo "::im::log Installing the Ansible package of the distribution in the master VM."
    im_install ansible-core || im_install ansible || return 1
    im_check "$(command -v ansible-playbook)"
}

im_main() {
    im_choose_root
    command -v python3 >/dev/null || im_install python3 || im_fail "Python 3 is missing and cannot be installed: $im_said"
    command -v ssh >/dev/null || {
        if command -v apt-get >/dev/null; then im_install openssh-client; else im_install openssh-clients; fi
    }
    im_why=
    for im_way in $IM_ORDER; do
        im_said=
        case "$im_way" in
        image) im_image && return 0; im_said=${im_said:-the image has none} ;;
        pip) im_pip && return 0 ;;
        packages) im_packages && return 0 ;;
        esac
        im_why="$im_why $im_way: $(printf '%s' "$im_said" | tail -n 3 | tr '\n' ' ');"
    done
    im_fail "$im_why"
}
im_main </dev/null
