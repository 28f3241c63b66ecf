# Shared by the scripts of this repository: sourced, never run.
# Says what happens on standard error, so that standard output stays data.

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    _bold=$'\e[1m' _red=$'\e[31m' _dim=$'\e[2m' _off=$'\e[0m'
else
    _bold='' _red='' _dim='' _off=''
fi

say() { printf '%s==>%s %s\n' "$_bold" "$_off" "$*" >&2; }
note() { printf '    %s%s%s\n' "$_dim" "$*" "$_off" >&2; }

# fail WHAT [WHAT TO DO...]: one line each.
fail() {
    printf '%serror:%s %s\n' "$_red" "$_off" "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

need_root() {
    [ "$(id -u)" = 0 ] ||
        fail "$1 needs root" "run it as root, for example: sudo $0"
}

# need_disk FOLDER MIB: the nearest existing parent must have that much room.
need_disk() {
    local dir=$1 free
    while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
    free=$(df --output=avail -m "$dir" | tail -n 1 | tr -d ' ')
    [ "$free" -ge "$2" ] ||
        fail "only $free MiB are free on the disk of $dir, $2 MiB are needed" \
            "make room there and run this again"
}

# apt_install PACKAGE...: installs those that are missing, nothing if none is.
apt_install() {
    local missing=() package log
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    have apt-get || fail "missing: ${missing[*]}" \
        "this machine has no apt-get: install them with its own package manager"
    need_root "installing ${missing[*]}"
    say "installing ${missing[*]}"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # The index on the machine may be absent or too old: then fetch it and try once more.
    if ! apt-get install -y -q --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null; then
        if ! apt-get update -q >"$log" 2>&1 </dev/null ||
            ! apt-get install -y -q --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
            tail -n 15 "$log" >&2
            rm -f "$log"
            fail "apt-get could not install ${missing[*]}" \
                "the lines above are its own words; when they name a host, check the network" \
                "and the mirror in /etc/apt, then run this again"
        fi
    fi
    rm -f "$log"
}

# The toolchain that rust-toolchain.toml pins, got where it is missing and can be had.
need_rust() {
    local root=$1 log
    export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    have cc || apt_install gcc libc6-dev
    if have cargo && (cd "$root" && cargo --version) >/dev/null 2>&1; then return 0; fi
    local channel
    channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/rust-toolchain.toml")
    say "getting Rust $channel"
    log=$(mktemp)
    if ! have rustup; then
        # Debian 12 has no rustup, later ones have; else its makers' installer.
        if have apt-cache && apt-cache show rustup >/dev/null 2>&1; then
            apt_install rustup
        else
            have curl || apt_install curl ca-certificates
            curl --proto '=https' --tlsv1.2 -fsSL --max-time 60 https://sh.rustup.rs -o "$log.sh" 2>"$log" &&
                sh "$log.sh" -y --no-modify-path --profile minimal --default-toolchain none >"$log" 2>&1 </dev/null || true
            rm -f "$log.sh"
        fi
    fi
    if ! have rustup || ! (cd "$root" && rustup toolchain install "$channel" --profile minimal \
        --component rustfmt --component clippy) >>"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        fail "there is no Rust $channel on this machine and it could not be had" \
            "Debian 12's own is too old to build this; install it from https://rustup.rs, here or on a machine" \
            "with a network (copy ~/.rustup and ~/.cargo then), and run this again"
    fi
    rm -f "$log"
}

# Programs for development that cargo builds are kept here, outside of any clone.
tools_dir=${XDG_CACHE_HOME:-$HOME/.cache}/im/tools

# need_tool CRATE VERSION: `cargo-x` in PATH or in the cache, else built into it.
need_tool() {
    local crate=$1 version=$2 log build
    export PATH=$tools_dir/bin:$PATH
    if have "$crate"; then return 0; fi
    need_disk "$tools_dir" 1500
    say "building $crate $version (once; minutes)"
    log=$(mktemp) build=$(mktemp -d)
    # Built to be there soon rather than to be fast. Not in a clone: its toolchain and settings are not ours.
    if ! (cd / && CARGO_TARGET_DIR=$build cargo install "$crate" --version "$version" --locked --root "$tools_dir" \
        --config profile.release.lto=false --config profile.release.opt-level=1 \
        --config profile.release.codegen-units=16) >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        rm -rf "$log" "$build"
        fail "$crate could not be built" "the lines above are cargo's own words; when they name a host, check the network"
    fi
    rm -rf "$log" "$build"
}

# The original's released client, which must work with this service, in a virtual environment in the cache. Sets
# IM_TEST_CLIENT; without a package index it stays unset, and the test that needs it says so.
need_client() {
    local version=1.8.4 log
    local client=$tools_dir/im-client-$version
    if [ ! -x "$client/bin/im_client" ]; then
        apt_install python3-venv
        say "getting IM-client $version"
        log=$(mktemp)
        if ! { python3 -m venv --clear "$client" &&
            "$client/bin/pip" install --quiet --disable-pip-version-check "IM-client==$version"; } >"$log" 2>&1 </dev/null; then
            tail -n 3 "$log" >&2
            note "IM-client $version could not be had: the test with it does not run"
            rm -rf "$client" "$log"
            return 0
        fi
        rm -f "$log"
    fi
    export IM_TEST_CLIENT=$client/bin/im_client
}
