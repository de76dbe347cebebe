package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

func TestAnEngineIsReachedAsItsAddressSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dockertest.NewPKI(t).Issue(t, dir, "client", "coderflow", 3600e9)
	for name, text := range map[string]string{"id": "a private key", "known": "engine ssh-ed25519 AAAA", "junk.pem": "junk", "open": "a key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil {
		t.Fatal(err)
	}
	const tls, ssh = "tls: {caFile: DIR/ca.pem, certFile: DIR/client.pem, keyFile: DIR/client-key.pem}", "ssh: {identityFile: DIR/id, knownHostsFile: DIR/known}"
	for docker, want := range map[string]string{
		"host: unix:///run/docker.sock":                             "",
		"host: unix:///run/docker.sock, files: copy":                "",
		"host: tcp://127.0.0.1:2375":                                "",
		"host: tcp://localhost:2376, " + tls:                        "",
		"host: tcp://engine.internal:2376, " + tls:                  "",
		"host: ssh://coder@engine.internal, " + ssh:                 "",
		"host: ssh://coder@engine.internal:2222/run/d.sock, " + ssh: "",

		"host: tcp://engine.internal:2376":                                                                            "docker.host: want unix",
		"host: tcp://engine.internal, " + tls:                                                                         "docker.host: want unix",
		"host: http://engine.internal:2376, " + tls:                                                                   "docker.host: want unix",
		"host: ssh://engine.internal, " + ssh:                                                                         "docker.host: want unix",
		"host: ssh://coder:password@engine.internal, " + ssh:                                                          "docker.host: want unix",
		"host: ssh://coder@engine.internal/../x, " + ssh:                                                              "docker.host: want unix",
		"host: ssh://coder@engine.internal":                                                                           "docker.ssh.identityFile: is required",
		"host: ssh://coder@engine.internal, ssh: {identityFile: DIR/id}":                                              "docker.ssh.knownHostsFile: is required",
		"host: ssh://c@engine, ssh: {identityFile: DIR/open, knownHostsFile: DIR/known}":                              "chmod 600",
		"host: ssh://c@engine, ssh: {identityFile: DIR/id, knownHostsFile: DIR/none}":                                 "docker.ssh.knownHostsFile: cannot be read",
		"host: tcp://engine:2376, tls: {caFile: DIR/ca.pem, certFile: DIR/client.pem}":                                "docker.tls.keyFile: is required",
		"host: tcp://engine:2376, tls: {caFile: DIR/ca.pem, keyFile: DIR/client-key.pem}":                             "docker.tls.certFile: is required",
		"host: tcp://engine:2376, tls: {certFile: DIR/client.pem, keyFile: DIR/client-key.pem}":                       "docker.tls.caFile: is required",
		"host: tcp://engine:2376, tls: {caFile: DIR/junk.pem, certFile: DIR/client.pem, keyFile: DIR/client-key.pem}": "holds no certificate",
		"host: tcp://engine:2376, tls: {caFile: DIR/ca.pem, certFile: DIR/ca.pem, keyFile: DIR/client-key.pem}":       "docker.tls.certFile: cannot be used",
		"host: unix:///run/docker.sock, " + tls:                                                                       "docker.tls: is for an engine at tcp",
		"host: ssh://coder@engine, " + ssh + ", " + tls:                                                               "docker.tls: is for an engine at tcp",
		"host: tcp://127.0.0.1:2375, " + ssh:                                                                          "docker.ssh: is for an engine at ssh",
		"files: sometimes":                                                                                            "docker.files: want auto, bind or copy",
		"host: tcp://engine:2376, skipVerify: true":                                                                   "unknown key",
	} {
		_, err := Load(write(t, minimal+"docker: {"+strings.ReplaceAll(docker, "DIR", dir)+"}\n"), nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", docker, err, want)
		}
	}
}

func TestAnEnginesFilesCanBeNamedByVariables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dockertest.NewPKI(t).Issue(t, dir, "client", "coderflow", 3600e9)
	c, err := Load(write(t, minimal), []string{
		"CODERFLOW_DOCKER_HOST=tcp://engine:2376", "CODERFLOW_DOCKER_TLS_CA_FILE=" + dir + "/ca.pem",
		"CODERFLOW_DOCKER_TLS_CERT_FILE=" + dir + "/client.pem", "CODERFLOW_DOCKER_TLS_KEY_FILE=" + dir + "/client-key.pem",
		"CODERFLOW_DOCKER_FILES=copy",
	})
	if err != nil || c.Docker.TLS.CertFile != dir+"/client.pem" || c.Docker.Files != "copy" {
		t.Errorf("%+v, %v", c.Docker, err)
	}
}
