package agenttest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/sandbox/docker/dockertest"
)

// countersScript prints what the kernel counted in the container's network namespace, after everything ran there.
const countersScript = `echo; echo "network counters"; cat /proc/net/snmp; cat /proc/net/snmp6 2>/dev/null || true`

// watched are the counters that move when something tries to reach anything but the loopback's TCP: packets without a
// route (connections, and DNS to a server elsewhere), datagrams of any kind (DNS to a server here), failed connections.
var watched = []string{"Ip:OutNoRoutes", "Udp:OutDatagrams", "Udp:NoPorts", "Tcp:AttemptFails", "Ip6OutNoRoutes", "Udp6OutDatagrams"}

// counters splits the output into the agent's and the watched counters that are not zero.
func counters(t *testing.T, output string) (agents string, tried map[string]int) {
	t.Helper()
	agents, text, found := strings.Cut(output, "\nnetwork counters\n")
	if !found {
		t.Fatalf("no counters in %.2000q", output)
	}
	all, names := map[string]int{}, map[string][]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && !strings.HasSuffix(fields[0], ":"): // of IPv6: one a line
			all[fields[0]], _ = strconv.Atoi(fields[1])
		case len(fields) > 1 && names[fields[0]] == nil: // a line of names, then one of numbers
			names[fields[0]] = fields
		case len(fields) > 1:
			for i, name := range names[fields[0]][1:] {
				all[fields[0]+name], _ = strconv.Atoi(fields[i+1])
			}
		}
	}
	tried = map[string]int{}
	for _, name := range watched {
		if all[name] > 0 {
			tried[name] = all[name]
		}
	}
	if _, there := all["Ip:OutNoRoutes"]; !there {
		t.Fatalf("the kernel's counters were not understood: %.2000q", text)
	}
	return agents, tried
}

// The counters would show an agent that tries: each of these moves one.
func TestTheCountersShowWhoTriesToReachSomething(t *testing.T) {
	t.Parallel()
	world := dockertest.New(t)
	world.Workspace(t, "counters", map[string]dockertest.File{"README.md": {Content: "hello\n"}})
	for name, script := range map[string]string{
		"nothing": "true",
		"tcp":     "echo >/dev/tcp/192.0.2.1/443",
		"dns":     "getent hosts registry.example",
		"udp":     "echo >/dev/udp/192.0.2.1/53",
		"local":   "echo >/dev/tcp/127.0.0.1/9",
	} {
		spec := dockertest.Spec("counters-"+name, "counters", "exec 2>&1; "+script+" || true")
		spec.Argv[0] = "/bin/bash"
		spec.Inputs.Cleanup = []byte(countersScript)
		_, output := world.Run(t, spec)
		if _, tried := counters(t, output); (len(tried) > 0) != (name != "nothing") {
			t.Errorf("%s: %v\n%s", name, tried, output)
		}
	}
}
