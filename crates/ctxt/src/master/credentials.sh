# Changes the credentials of the master's login user. Comes through standard input, after IM_* and root.sh.
im_main() {
    if [ -n "$IM_NEW_KEY" ]; then
        umask 077
        mkdir -p "$HOME/.ssh"
        im_authorize "$HOME/.ssh/authorized_keys" "$IM_NEW_KEY" ||
            im_fail "the new public key cannot be added to $HOME/.ssh/authorized_keys"
        echo "::im::credentials key"
    fi
    if [ -n "$IM_NEW_PASSWORD" ]; then
        im_choose_root
        [ "$IM_ROOT" != none ] || im_fail "$(id -un) may not become root with sudo"
        im_change_password || im_fail "the new password could not be set"
        echo "::im::credentials password"
    fi
}
im_main </dev/null
