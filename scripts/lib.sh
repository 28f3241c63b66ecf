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
