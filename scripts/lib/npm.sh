# shellcheck shell=bash
# npm, which gets the packages that the agents' images are made from, and axe. It runs nothing of them.

readonly npm_least=7 # the first that reads the lock files

ensure_npm() {
	ensure_command npm npm
	local version
	version=$(npm --version 2>/dev/null || true)
	if [[ ! $version =~ ^([0-9]+)\. ]] || ((BASH_REMATCH[1] < npm_least)); then
		die "npm ${version:-without a version} is too old for the lock files of the agents" \
			"Install npm $npm_least or newer."
	fi
}

# ensure_axe LOCK DIRECTORY: axe-core, to which the tests hold the console's pages, with the hash that the lock has.
ensure_axe() {
	local lock=$1 directory=$2
	if [[ -f $directory/node_modules/axe-core/axe.min.js ]] && cmp -s "$lock/package-lock.json" "$directory/package-lock.json"; then
		say "axe: present"
		return
	fi
	say "axe: getting it from npm"
	mkdir -p "$directory"
	cp -- "$lock/package.json" "$directory/"
	(cd "$directory" && cp -- "$lock/package-lock.json" . &&
		run_logged "npm ci" npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error) || {
		rm -f "$directory/package-lock.json"
		exit 1
	}
}
