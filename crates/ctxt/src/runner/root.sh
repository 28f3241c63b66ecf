# Parts of the scripts that run on VMs: becoming root, changing credentials. IM_PASSWORD and IM_NEW_PASSWORD are set.
# Lines that begin with ::im:: are for whoever runs the script, all others for a log.
im_fail() { echo "::im::failed $*"; exit 1; }

im_authorize() { # FILE LINE
    [ -e "$1" ] && grep -qxF "$2" "$1" && return 0
    # A last line without an end would swallow ours.
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1")" ]; then echo >>"$1" || return 1; fi
    printf '%s\n' "$2" >>"$1"
}

# Chooses how to become root: IM_ROOT is root, sudo, or sudo with a password, which is then in IM_SUDO.
im_choose_root() {
    IM_ROOT=none IM_SUDO=
    if [ "$(id -u)" = 0 ]; then IM_ROOT=root; return; fi
    if sudo -n true 2>/dev/null; then IM_ROOT=sudo; return; fi
    for im_try in "$IM_PASSWORD" "$IM_NEW_PASSWORD"; do
        [ -n "$im_try" ] || continue
        if printf '%s\n' "$im_try" | sudo -S -p '' true 2>/dev/null; then
            IM_ROOT=password IM_SUDO=$im_try
            return
        fi
    done
}

im_root() { # SCRIPT: as root
    case "$IM_ROOT" in
    root) sh -c "$1" ;;
    sudo) sudo -n sh -c "$1" ;;
    password) printf '%s\n' "$IM_SUDO" | sudo -S -p '' sh -c "$1" ;;
    *) return 77 ;;
    esac
}

# The new password goes to the helper through a file: arguments are for everybody to see.
im_change_password() {
    im_file=$(umask 077 && mktemp) || return 1
    printf '%s:%s\n' "$(id -un)" "$IM_NEW_PASSWORD" >"$im_file"
    im_root "chpasswd <'$im_file'"
    im_code=$?
    rm -f "$im_file"
    return "$im_code"
}
