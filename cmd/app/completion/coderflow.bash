# bash completion for coderflow: what can stand at the cursor is asked of the
# program itself.
_coderflow() {
    local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} candidate last typed
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    last=${words[${#words[@]}-1]}
    # bash breaks words at "=" and ":"; what stands before the last break is typed already.
    [[ $word == [=:] ]] && word=
    typed=${last%"$word"}
    COMPREPLY=()
    while IFS= read -r candidate; do
        candidate=${candidate%%$'\t'*}
        COMPREPLY+=("${candidate#"$typed"}")
    done < <("${COMP_WORDS[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _coderflow coderflow
