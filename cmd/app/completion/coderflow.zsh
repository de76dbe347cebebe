#compdef coderflow
# zsh completion for coderflow: what can stand at the cursor is asked of the
# program itself.
_coderflow() {
    local -a described
    local line
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#described )); then
        _describe coderflow described
    else
        _files
    fi
}
if [[ $funcstack[1] == _coderflow ]]; then
    _coderflow "$@"
else
    compdef _coderflow coderflow
fi
