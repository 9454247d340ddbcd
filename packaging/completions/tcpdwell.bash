# bash completion for tcpdwell                                             -*- shell-script -*-
_tcpdwell() {
    local word="${COMP_WORDS[COMP_CWORD]}" line words
    # "=" separates words for bash, but not for tcpdwell.
    local typed=("${COMP_WORDS[@]:1:COMP_CWORD}") joined=() part
    for part in "${typed[@]}"; do
        if [[ ${#joined[@]} -gt 0 && ( $part == "=" || ${joined[-1]} == --*= ) ]]; then
            joined[-1]+="$part"
        elif [[ ${#joined[@]} -gt 0 && ${joined[-1]} == *[A-Z_]= ]]; then
            joined[-1]+="$part"
        else
            joined+=("$part")
        fi
    done
    COMPREPLY=()
    words="$(tcpdwell __complete "${joined[@]}" 2>/dev/null)" || return
    while IFS= read -r line; do
        line="${line%%$'\t'*}"
        case "$line" in
            '') ;;
            :files)
                compopt -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${word#=}")
                ;;
            :commands)
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$word")
                ;;
            # bash replaces only what follows the "=".
            *) COMPREPLY+=("${line#"${joined[-1]%"${word#=}"}"}") ;;
        esac
    done <<<"$words"
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _tcpdwell tcpdwell
