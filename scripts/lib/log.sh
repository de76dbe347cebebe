# shellcheck shell=bash
# Messages of the set-up: one line a step, errors with what to do next.

say() {
	printf 'setup: %s\n' "$*"
}

# die MESSAGE [ADVICE…]: ends the set-up; every further argument is a line of advice.
die() {
	printf 'setup: error: %s\n' "$1" >&2
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
