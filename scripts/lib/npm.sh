# shellcheck shell=bash
# npm, which gets the packages that the agents' images are made from. It runs nothing of them.

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
