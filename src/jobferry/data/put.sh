# shellcheck shell=sh disable=SC2154
# Take a tar stream from standard input into place. Set before:
#   destination  where it goes
#   rename       name in the stream of the one file that `destination` is the new name of, else empty
#   token        makes the name of the folder beside
# The stream holds `files/...` and last of all `whole`, without which nothing is moved.
set -eu
LC_ALL=C
export LC_ALL

jf_parent() {
    case $1 in
        */*) printf '%s/x' "${1%/*}" ;;
        *) printf './x' ;;
    esac
}

# jf_place FROM TO: a folder is merged into one that is there; everything else takes its place by one rename
jf_place() {
    if [ -d "$2" ] && [ -d "$1" ] && [ ! -L "$1" ]; then
        jf_merge "$1" "$2"
    elif [ -d "$2" ]; then
        printf '%s: is a folder over there\n' "$2" >&2
        return 1
    else
        mv -f "$1" "$2"
    fi
}

# jf_merge FROM TO: the files of one folder in few calls of mv, then the folders in it
jf_merge() {
    # shellcheck disable=SC2016
    find "$1/." ! -name . -prune ! -type d -exec sh -c '
        to=$1
        shift
        for file do
            name=${file##*/}
            [ ! -d "$to/$name" ] || [ -L "$to/$name" ] || { printf "%s: is a folder over there\n" "$to/$name" >&2; exit 1; }
            # mv would go into the folder that this link leads to
            [ ! -L "$to/$name" ] || rm -f "$to/$name"
        done
        mv -f "$@" "$to/"' sh "$2" {} + || return
    for jf_folder in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -d "$jf_folder" ] && [ ! -L "$jf_folder" ]; then
            jf_place "$jf_folder" "$2/${jf_folder##*/}" || return
        fi
    done
}

while :; do
    case $destination in
        ?*/) destination=${destination%/} ;;
        *) break ;;
    esac
done
case $destination in
    /*) ;;
    *) destination=./$destination ;;
esac

if [ -d "$destination" ]; then
    beside=$destination
    [ -z "$rename" ] || destination=$destination/$rename
else
    beside=$(jf_parent "$destination")
    beside=${beside%x}
    mkdir -p "$beside"
fi
stage=$beside/.jobferry-$token

# the folder beside goes whatever happens, and the exit code stays
trap 'jf_code=$?; trap "" HUP INT TERM PIPE; rm -rf "$stage"; exit $jf_code' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
mkdir -m 700 "$stage"
mkdir "$stage/files"
# -o: ours, not whose they were; -p: with their own permissions
(cd "$stage" && tar xpof -)
cat >/dev/null
[ -f "$stage/whole" ] || {
    echo 'the stream ended too early' >&2
    exit 1
}
if [ -n "$rename" ]; then
    jf_place "$stage/files/$rename" "$destination"
else
    jf_place "$stage/files" "$destination"
fi
