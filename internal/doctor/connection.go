package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
)

const (
	// soonExpired is when a certificate is named before it is too late.
	soonExpired = 14 * 24 * time.Hour
	// slowAnswer is from when on the preparation of a task, which takes some twenty questions, is felt.
	slowAnswer = 250 * time.Millisecond
	// maxEngineSkew is how far an engine's clock may be off before what tasks print and when they ended confuses.
	maxEngineSkew = 30 * time.Second
)

// connection looks at the way to an engine: what protects it, until when, and how long an answer takes.
func (e *engineChecks) connection(now func() time.Time) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		const why = "who reaches an engine is root on its machine, and what CoderFlow cannot reach runs no task"
		if _, err := e.ask(ctx); err != nil {
			return unknown(why)
		}
		c, err := e.engine.Connection(ctx)
		if err != nil {
			return problem("the way to the engine at "+e.host+" cannot be looked at: "+err.Error(), why, seeEngine)
		}
		return judgeConnection(c, e.elsewhere, now()).with("milliseconds", c.Latency.Milliseconds())
	}
}

func judgeConnection(c sandbox.Connection, elsewhere bool, now time.Time) Finding {
	said := fmt.Sprintf("%s, an answer takes %d ms", c.Way, c.Latency.Milliseconds())
	if elsewhere {
		said += ", containers get copies of their files"
	}
	for _, certificate := range []struct {
		whose, file string
		until       time.Time
	}{{"the engine's", "on the engine's machine", c.Engine}, {"CoderFlow's", "at docker.tls.certFile and keyFile", c.Own}} {
		left := certificate.until.Sub(now)
		switch {
		case certificate.until.IsZero():
			continue
		case left < soonExpired:
			return warning(fmt.Sprintf("%s certificate ends on %s", certificate.whose, certificate.until.UTC().Format(time.DateOnly)),
				"from then on no task runs", "renew it "+certificate.file+"; docs/engines.md says how")
		}
		said += fmt.Sprintf("; %s certificate holds until %s", certificate.whose, certificate.until.UTC().Format(time.DateOnly))
	}
	if c.Latency > slowAnswer {
		return warning(said, "preparing a task takes some twenty answers", "run a worker nearer to the engine")
	}
	return fine("%s", said)
}

// clock compares the engine's clock with ours.
func (e *engineChecks) clock(now func() time.Time) func(context.Context) Finding {
	return e.given("times of containers and of what happened here do not fit together", func(f sandbox.EngineFacts) Finding {
		if f.Time.IsZero() {
			return warning("the engine does not say its time", "clocks that differ confuse the order of events", "see: timedatectl on its machine")
		}
		skew := e.asked.Sub(f.Time).Round(time.Second)
		if skew.Abs() > maxEngineSkew {
			return problem(fmt.Sprintf("the engine's clock differs from this machine's by %s", skew.Abs()),
				"the ends of containers are dated by it, and certificates hold by it", "turn on time synchronisation on both: timedatectl set-ntp true").with("seconds", int64(skew.Seconds()))
		}
		return fine("the engine's clock differs from this machine's by %s", skew.Abs()).with("seconds", int64(skew.Seconds()))
	})
}

// engineRoom is how much room there is on the engine's disk: here, or as a container there sees it.
func engineRoom(engine *engineChecks, box *sandboxChecks) func(context.Context) Finding {
	const why = "a full disk ends tasks"
	return func(ctx context.Context) Finding {
		facts, err := engine.ask(ctx)
		switch {
		case err != nil:
			return unknown(why)
		case !engine.elsewhere:
			return room("the engine", facts.Root)
		case box.sandboxErr != nil:
			return box.none()
		}
		result, err := box.probed(ctx)
		if err != nil || result.DiskFree == 0 {
			return warning("how much room the engine's disk has cannot be told from here", why, "look on its machine: df "+facts.Root+"; tasks that meet its floor fail by name")
		}
		return judgeRoom("the engine's machine", facts.Root, result.DiskFree, result.InodesFree, result.InodesFree > 0)
	}
}
