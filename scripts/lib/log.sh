# shellcheck shell=bash
# Messages of the scripts: one line a step, errors with what to do next. They begin with $speaker.

say() {
	printf '%s: %s\n' "${speaker:-setup}" "$*"
}

# die MESSAGE [ADVICE…]: ends the script; every further argument is a line of advice.
die() {
	printf '%s: error: %s\n' "${speaker:-setup}" "$1" >&2
	shift
	if (($#)); then
		printf '       %s\n' "$@" >&2
	fi
	exit 1
}

# run_logged NAME COMMAND…: runs quietly; on failure shows the end of what the command printed.
run_logged() {
	local name=$1 log
	shift
	log=$(mktemp -t coderflow-setup.XXXXXX)
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 25 "$log" >&2
		die "$name failed: $*" "The whole output is in $log."
	fi
	rm -f "$log"
}
