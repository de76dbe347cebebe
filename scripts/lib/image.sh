# shellcheck shell=bash
# The sandbox image: a Debian base, from a registry where one answers and from Debian packages otherwise,
# with the user, the directories and the few tools that every task has.

readonly base_image=coderflow/sandbox-base:bookworm
readonly sandbox_image=coderflow/sandbox:dev
readonly inputs_label=dev.coderflow.inputs
readonly registry_image=debian:bookworm-slim
readonly registry_wait_seconds=30
# The Dockerfile installs the same list when the base came from a registry.
readonly base_packages=git,ca-certificates,make

# ensure_sandbox_image DIRECTORY: builds from DIRECTORY/Dockerfile unless an image with the same inputs exists.
ensure_sandbox_image() {
	local directory=$1 base_id inputs
	ensure_base_image
	base_id=$(image_id "$base_image")
	inputs=$({
		printf '%s\n' "$base_id"
		cat -- "$directory/Dockerfile"
	} | sha256sum | cut -d ' ' -f 1)
	if [[ $(image_label "$sandbox_image" "$inputs_label") == "$inputs" ]]; then
		say "sandbox image: $sandbox_image is up to date"
		return
	fi
	say "building $sandbox_image"
	# The build needs no context but the Dockerfile.
	run_logged "docker build" docker build --pull=false --tag "$sandbox_image" \
		--build-arg "BASE=$base_image" --label "$inputs_label=$inputs" "$directory"
	say "sandbox image: $sandbox_image $(image_id "$sandbox_image")"
}

ensure_base_image() {
	if [[ -n $(image_id "$base_image") ]]; then
		say "sandbox base: $base_image is present"
		return
	fi
	say "sandbox base: asking the registry for $registry_image"
	if timeout "$registry_wait_seconds" docker pull --quiet "$registry_image" >/dev/null 2>&1; then
		docker tag "$registry_image" "$base_image"
		say "sandbox base: $registry_image from the registry"
		return
	fi
	say "sandbox base: no registry answers; building it from Debian packages (about a minute)"
	build_base_image
}

build_base_image() {
	local options=() sources=() proxy archive mirror security
	if ! command -v mmdebstrap >/dev/null; then
		install_packages mmdebstrap debian-archive-keyring
	fi
	need_root "building the sandbox base image"
	proxy=$(apt_proxy)
	if [[ -n $proxy ]]; then
		options+=(--aptopt="Acquire::http::Proxy \"$proxy\"")
	fi
	if [[ -f /usr/share/keyrings/debian-archive-keyring.gpg ]]; then
		options+=(--keyring=/usr/share/keyrings/debian-archive-keyring.gpg)
	fi
	mirror=$(debian_mirror bookworm)
	security=$(debian_mirror bookworm-security)
	if [[ -n $mirror ]]; then # otherwise mmdebstrap knows where Debian is
		sources+=("deb $mirror bookworm main")
		if [[ -n $security ]]; then
			sources+=("deb $security bookworm-security main")
		fi
	fi
	archive=$(mktemp -t coderflow-base.XXXXXX.tar)
	# shellcheck disable=SC2064 # the name is wanted as it is now
	trap "rm -f -- '$archive'" EXIT
	run_logged mmdebstrap mmdebstrap --quiet --format=tar --variant=minbase --include="$base_packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"${options[@]}" bookworm "$archive" "${sources[@]}"
	run_logged "docker import" docker import --change 'CMD ["/bin/sh"]' "$archive" "$base_image"
	rm -f -- "$archive"
	say "sandbox base: built from Debian packages"
}

# debian_mirror CODENAME: the mirror that this machine's own package lists use for it, if they do.
debian_mirror() {
	# shellcheck disable=SC2016 # apt expands $(REPO_URI)
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $1" 2>/dev/null | head -n 1 || true
}

apt_proxy() {
	local name value
	value=${http_proxy:-}
	if [[ -z $value ]] && command -v apt-config >/dev/null; then
		name=Acquire::http::Proxy
		value=$(apt-config --format '%v' dump "$name" 2>/dev/null | head -n 1 || true)
	fi
	printf '%s' "$value"
}

image_id() {
	docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true
}

image_label() {
	docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true
}
