package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
)

func TestTheWayToAnEngineIsJudged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	good := sandbox.Connection{Way: "TLS 1.3", Latency: 2 * time.Millisecond, Engine: now.Add(90 * 24 * time.Hour), Own: now.Add(90 * 24 * time.Hour)}
	for name, c := range map[string]struct {
		change func(*sandbox.Connection)
		level  Level
		said   string
	}{
		"good":         {func(*sandbox.Connection) {}, OK, "copies of their files; the engine's certificate holds until"},
		"soon expired": {func(c *sandbox.Connection) { c.Own = now.Add(time.Hour) }, Warning, "CoderFlow's certificate ends on"},
		"no TLS":       {func(c *sandbox.Connection) { *c = sandbox.Connection{Way: "SSH"} }, OK, "SSH, an answer takes 0 ms"},
		"far":          {func(c *sandbox.Connection) { c.Latency = time.Second }, Warning, "1000 ms"},
	} {
		way := good
		c.change(&way)
		if got := judgeConnection(way, true, now); got.Level != c.level || !strings.Contains(got.Said, c.said) || got.Level != OK && (got.Why == "" || got.Fix == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTheEnginesClockIsCompared(t *testing.T) {
	t.Parallel()
	for off, want := range map[time.Duration]Level{0: OK, 10 * time.Second: OK, -time.Hour: Problem, time.Hour: Problem} {
		e := &engineChecks{engine: fakeEngine{facts: sandbox.EngineFacts{Time: time.Now().Add(off)}}, now: time.Now}
		if got := e.clock(time.Now)(t.Context()); got.Level != want {
			t.Errorf("%s: %+v", off, got)
		}
	}
}
