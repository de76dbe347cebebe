# shellcheck shell=bash
# A Docker engine that answers: the one that is there, or docker.io started here.

readonly engine_log=${CODERFLOW_DOCKERD_LOG:-/var/log/coderflow-dockerd.log}
# A fresh engine on a slow machine makes its storage first, and takes its time.
readonly engine_wait_seconds=300

# A hanging engine must not hang the set-up.
engine_answers() {
	command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

engine_version() {
	timeout 10 docker version --format '{{.Server.Version}}'
}

ensure_engine() {
	if engine_answers; then
		say "Docker engine: $(engine_version) answers"
		return
	fi
	if [[ -n ${DOCKER_HOST:-} ]]; then
		die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" \
			"Start that engine, or unset DOCKER_HOST to have one installed and started here."
	fi
	install_engine
	# The package's own service, or one that was there and is slow: a second engine beside it would only be in its way.
	if wait_for_engine 3 || { engine_runs && say "waiting for the Docker engine that is starting" && wait_for_engine 60; }; then
		say "Docker engine: $(engine_version) answers now"
		return
	fi
	start_engine
}

# engine_runs: there is a dockerd, whether or not it answers yet..
engine_runs() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		if [[ $(readlink "$exe" 2>/dev/null || true) == */dockerd ]]; then
			return 0
		fi
	done
	return 1
}

install_engine() {
	if ! command -v dockerd >/dev/null; then
		local packages=(docker.io iptables ca-certificates)
		# Without systemd nothing else mounts the control groups.
		if [[ ! -d /run/systemd/system ]] && apt-cache show cgroupfs-mount >/dev/null 2>&1; then
			packages+=(cgroupfs-mount)
		fi
		install_packages "${packages[@]}"
	fi
	if ! command -v docker >/dev/null; then
		install_packages docker-cli
	fi
}

start_engine() {
	need_root "starting a Docker engine"
	if [[ -d /run/systemd/system ]]; then
		say "starting the docker service"
		run_logged "systemctl start docker" systemctl start docker
	else
		mount_cgroups
		drop_stale_pid /var/run/docker.pid dockerd
		drop_stale_pid /var/run/docker/containerd/containerd.pid containerd
		say "starting dockerd (log: $engine_log)"
		# A session of its own, so that it outlives this script and the terminal.
		setsid --fork dockerd >"$engine_log" 2>&1 </dev/null
	fi
	if ! wait_for_engine "$engine_wait_seconds"; then
		if [[ -s $engine_log ]]; then
			printf '%s\n' "--- end of $engine_log" >&2
			tail -n 25 "$engine_log" >&2
		fi
		die "the Docker engine did not answer within $engine_wait_seconds s" \
			"Look at $engine_log (or 'journalctl -u docker'), repair it, and run 'make setup' again."
	fi
	say "Docker engine: $(engine_version) started"
}

# drop_stale_pid FILE PROGRAM: an engine that was killed leaves its number behind. When another process has got that
# number since, dockerd takes it for a running engine and gives up.
drop_stale_pid() {
	local file=$1 program=$2 exe=
	if [[ -f $file ]]; then
		exe=$(readlink "/proc/$(<"$file")/exe" 2>/dev/null || true)
		if [[ ${exe##*/} != "$program" ]]; then
			rm -f "$file"
		fi
	fi
}

wait_for_engine() {
	local deadline=$((SECONDS + $1))
	while ((SECONDS < deadline)); do
		if engine_answers; then
			return 0
		fi
		sleep 0.3
	done
	return 1
}

# A machine whose init is not systemd may have no control groups mounted; dockerd refuses to start then.
mount_cgroups() {
	if grep -q ' /sys/fs/cgroup' /proc/mounts; then
		return
	fi
	if command -v cgroupfs-mount >/dev/null; then
		say "mounting the control groups"
		run_logged cgroupfs-mount cgroupfs-mount
	else
		say "mounting control groups (version 2)"
		run_logged "mounting cgroup2" mount -t cgroup2 cgroup2 /sys/fs/cgroup
	fi
}
