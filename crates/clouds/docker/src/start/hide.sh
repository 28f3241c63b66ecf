# The log-in comes in the environment, which every process hands on and its owner can read: it is put into files of
# root's until it is set. The arguments are the script that does the rest, and its arguments.
state=/var/lib/im-node
mkdir -p -m 0700 "$state" || exit 1
if [ ! -e "$state/started" ]; then
    (
        umask 077
        printf '%s' "${IM_ROOT_PASSWORD:-}" >"$state/password" && printf '%s' "${IM_AUTHORIZED_KEY:-}" >"$state/key"
    ) || exit 1
fi
unset IM_ROOT_PASSWORD IM_AUTHORIZED_KEY
script=$1
shift
exec /bin/sh -c "$script" im-start "$@"
