# shellcheck shell=sh disable=SC2154
# Write a tar stream of what is here to standard output, after a line `TOKEN KIND TOTAL`. Set before:
#   token     begins that line, whatever start-up files have printed before
#   count     yes: say how many bytes the files hold, or - if it cannot be told
#   excludes  options for tar, quoted for a shell; may be empty
LC_ALL=C
export LC_ALL

jf_missing() {
    # ls says why in its own words
    ls -d "$1" >/dev/null && echo "$1 cannot be read" >&2
    exit 3
}

jf_total() {
    if [ "$count" != yes ]; then
        echo -
        return
    fi
    # the widths of columns differ among systems, their order does not
    unset TIME_STYLE QUOTING_STYLE BLOCK_SIZE LS_BLOCK_SIZE
    { find "$@" -type f -exec ls -lnd {} + | awk '/^-/ { sum += $5 } END { printf "%.0f\n", sum }'; } 2>/dev/null ||
        echo -
}

# jf_tar FLAGS PATH...: what is excluded is left out here already where tar can, which spares the link
jf_tar() {
    jf_flags=$1
    shift
    if [ -n "$excludes" ] && tar cf /dev/null --exclude=x /dev/null 2>/dev/null; then
        eval "set -- $excludes \"\$@\""
    fi
    tar "$jf_flags" - "$@"
}

# jf_send KIND FLAGS PATH...: the line, then the stream
jf_send() {
    jf_kind=$1
    shift
    printf '\n%s %s %s\n' "$token" "$jf_kind" "$(shift && jf_total "$@")"
    jf_tar "$@"
}

# jf_contents FOLDER
jf_contents() {
    [ -d "$1" ] || jf_missing "$1/"
    cd "$1" || exit 3
    jf_send folder cf .
}

# jf_one PATH: a link named by the caller is followed, links inside are not
jf_one() {
    [ -e "$1" ] || jf_missing "$1"
    jf_name=./${1##*/}
    case $1 in
        */*) cd "${1%/*}/" || exit 3 ;;
    esac
    if [ ! -d "$jf_name" ]; then
        jf_send file chf "$jf_name"
    elif [ -L "$jf_name" ]; then
        jf_send folder cf "$jf_name/."
    else
        jf_send folder cf "$jf_name"
    fi
}

# jf_many PATH...: what a pattern stands for here; each begins with ./
jf_many() {
    [ -e "$1" ] || [ -L "$1" ] || jf_missing "$1"
    jf_send folder cf "$@"
}
