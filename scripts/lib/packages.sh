# shellcheck shell=bash
# Debian packages, installed only when what they bring is missing.

apt_updated=no

need_root() {
	if ((EUID != 0)); then
		die "$1 needs root" "Run 'sudo make setup' once, or install it yourself and run 'make setup' again."
	fi
}

# install_packages PACKAGE…
install_packages() {
	need_root "installing $*"
	command -v apt-get >/dev/null || die "no apt-get here, and $* is missing" \
		"Set-up installs packages on Debian and Ubuntu only; elsewhere install $* by hand."
	if [[ $apt_updated == no ]]; then
		say "updating the package lists"
		run_logged "apt-get update" apt-get -q -o Acquire::Retries=3 update
		apt_updated=yes
	fi
	say "installing $*"
	run_logged "apt-get install" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
	hash -r
}

# ensure_command COMMAND PACKAGE…
ensure_command() {
	local command=$1
	shift
	if command -v "$command" >/dev/null; then
		say "$command: present"
	else
		install_packages "$@"
	fi
}

# ensure_sshd: the program alone. The package would start a server that lets people in.
ensure_sshd() {
	if [[ -x /usr/sbin/sshd ]] && command -v ssh-keygen >/dev/null; then
		say "sshd: present"
		return
	fi
	local systemd=no
	if [[ -d /run/systemd/system ]]; then
		systemd=yes
		need_root "installing openssh-server"
		systemctl mask --runtime --quiet ssh.service ssh.socket
	fi
	install_packages openssh-server openssh-client
	if [[ $systemd == yes ]]; then
		systemctl disable --quiet ssh.service ssh.socket || true
		systemctl unmask --runtime --quiet ssh.service ssh.socket
	fi
}

ensure_postgresql() {
	local found
	found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | tail -n 1 || true)
	if [[ -n $found ]]; then
		say "PostgreSQL: ${found%/initdb}"
		return
	fi
	if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
		# The tests start servers of their own; no system-wide one is wanted.
		need_root "installing PostgreSQL"
		mkdir -p /etc/postgresql-common
		printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
	fi
	install_packages postgresql
}

ensure_chromium() {
	local name
	for name in chromium chromium-browser google-chrome; do
		if command -v "$name" >/dev/null; then
			say "browser: $(command -v "$name")"
			return
		fi
	done
	install_packages chromium
}
