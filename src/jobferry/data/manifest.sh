# shellcheck shell=sh
# jf_manifest PATH...: list everything below the paths as `ls -ln` does, a line each; paths that are not there
# are passed over. Names that a line cannot hold, or that some ls mask, are on lines that begin with a backslash,
# escaped: \\ is a backslash, \n a newline; on those lines links are without their targets.
jf_manifest() (
    LC_ALL=C
    export LC_ALL
    unset TIME_STYLE QUOTING_STYLE BLOCK_SIZE LS_BLOCK_SIZE
    # by numbers and in batches: to append to "$@" path by path takes quadratic time
    while [ $# -gt 0 ]; do
        jf_number=0
        jf_path=
        jf_words=
        while [ $jf_number -lt 200 ] && [ $jf_number -lt $# ]; do
            jf_number=$((jf_number + 1))
            eval "jf_path=\${$jf_number}"
            if [ -e "$jf_path" ] || [ -L "$jf_path" ]; then
                case $jf_path in
                    /*) jf_words="$jf_words \"\${$jf_number}\"" ;;
                    *) jf_words="$jf_words \"./\${$jf_number}\"" ;;
                esac
            fi
        done
        eval "jf_list $jf_words" || exit
        shift $jf_number
    done
)

jf_list() {
    [ $# -gt 0 ] || return 0
    # shellcheck disable=SC2016
    jf_escaped='
        for file do
            about=$(ls -lnd "$file" | sed -n "1s/^\(\([^ ]* *\)\{8\}\).*/\1/p")
            printf "\\\\%s" "$about"
            printf "%s\n" "$file" |
                sed -e ":a" -e "\$!{" -e "N" -e "ba" -e "}" -e "s/\\\\/\\\\\\\\/g" -e "s/\n/\\\\n/g"
        done'
    jf_control=$(printf '*[\001-\037\177]*')
    # busybox ls writes ? for what is not ASCII; the others write names as they are
    # shellcheck disable=SC2016
    find "$@" \
        ! -path '*[! -~]*' -exec ls -lnd {} + -o \
        ! -path "$jf_control" -exec sh -c '
            [ "$(ls -d "$1" 2>/dev/null)" != "$1" ] || exec ls -lnd "$@"
            eval "$0"' "$jf_escaped" {} + -o \
        -exec sh -c "$jf_escaped" sh {} +
}
