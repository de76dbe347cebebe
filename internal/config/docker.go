package config

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// docker checks how the engine is reached. Whoever reaches an engine is root on its machine: over a network both sides
// have to know each other, and there is no switch that turns that off.
func (l *loader) docker(raw dockerFile) Docker {
	d := Docker{
		Host: raw.Host, Files: raw.Files,
		TLS: DockerTLS{
			CAFile: l.path("docker.tls.caFile", raw.TLS.CAFile), CertFile: l.path("docker.tls.certFile", raw.TLS.CertFile),
			KeyFile: l.path("docker.tls.keyFile", raw.TLS.KeyFile),
		},
		SSH: DockerSSH{
			IdentityFile:   l.path("docker.ssh.identityFile", raw.SSH.IdentityFile),
			KnownHostsFile: l.path("docker.ssh.knownHostsFile", raw.SSH.KnownHostsFile),
		},
	}
	if !slices.Contains([]string{"auto", "bind", "copy"}, raw.Files) {
		l.wrong("docker.files", "want auto, bind or copy, not %q", raw.Files)
	}
	u, err := url.Parse(raw.Host)
	scheme := ""
	if err == nil {
		scheme = u.Scheme
	}
	switch {
	case scheme == "unix" && u.Host == "" && filepath.IsAbs(u.Path):
	case scheme == "tcp" && u.Port() != "" && u.Hostname() != "" && u.User == nil && u.Path == "" &&
		(d.TLS != (DockerTLS{}) || isLoopback(u.Hostname())):
		if d.TLS != (DockerTLS{}) {
			l.dockerTLS(d.TLS)
		}
	case scheme == "ssh" && l.sshHost(u):
		l.dockerSSH(d.SSH)
	default:
		l.wrong("docker.host", "want unix:///PATH, tcp://HOST:PORT with docker.tls (caFile, certFile, keyFile), or ssh://USER@HOST[:PORT] "+
			"with docker.ssh (identityFile, knownHostsFile); without docker.tls tcp:// is for this machine only")
		return d
	}
	if d.TLS != (DockerTLS{}) && scheme != "tcp" {
		l.wrong("docker.tls", "is for an engine at tcp://HOST:PORT, and docker.host is another; remove it")
	}
	if d.SSH != (DockerSSH{}) && scheme != "ssh" {
		l.wrong("docker.ssh", "is for an engine at ssh://USER@HOST, and docker.host is another; remove it")
	}
	return d
}

// sshHost reports whether the parts of the address are there. No password: a key identifies CoderFlow.
func (l *loader) sshHost(u *url.URL) bool {
	_, password := u.User.Password()
	socket := u.Path == "" || path.IsAbs(u.Path) && path.Clean(u.Path) == u.Path && u.Path != "/"
	return u.Hostname() != "" && u.User.Username() != "" && !password && socket && u.RawQuery == "" && u.Fragment == ""
}

func (l *loader) dockerTLS(t DockerTLS) {
	if l.present("docker.tls.caFile", t.CAFile, "the certificate of the authority that signs the engine's (PEM)") {
		text, err := os.ReadFile(t.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
			l.wrong("docker.tls.caFile", "%s holds no certificate (PEM)", t.CAFile)
		}
	}
	certified := l.present("docker.tls.certFile", t.CertFile, "CoderFlow's own certificate for this engine (PEM)")
	before := len(l.problems)
	l.secret("docker.tls.keyFile", t.KeyFile, "the key of docker.tls.certFile (PEM)")
	if !certified || len(l.problems) > before {
		return
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		l.wrong("docker.tls.certFile", "cannot be used with docker.tls.keyFile: %v", err)
	}
}

func (l *loader) dockerSSH(s DockerSSH) {
	l.secret("docker.ssh.identityFile", s.IdentityFile, "a private key without a passphrase; ssh-keygen -t ed25519 -N '' makes one")
	l.present("docker.ssh.knownHostsFile", s.KnownHostsFile, "the keys of the engine's machine, as ssh has them in known_hosts")
}

// present checks that a key names a file that can be read.
func (l *loader) present(key, file, what string) bool {
	if file == "" {
		l.wrong(key, "is required: a file with %s", what)
		return false
	}
	handle, err := os.Open(file)
	if err != nil {
		l.wrong(key, "cannot be read: %v", err)
		return false
	}
	return handle.Close() == nil
}
