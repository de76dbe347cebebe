// Package webhook measures how fast `coderflow serve` accepts deliveries, beside a bare net/http handler that verifies
// the signature and inserts one row into the same kind of database, and holds both ends of every delivery of a flood
// together. Both are processes of their own; the sender is this one, on the same processors.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/bench/bound"
	"github.com/coderflow/coderflow/bench/world"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if database := os.Getenv(floorEnv); database != "" {
		fmt.Fprintln(os.Stderr, serveFloor(database))
		os.Exit(1)
	}
	os.Exit(storetest.Main(m))
}

const (
	leastOverFloor = 0.5
	mostP99        = 50 // ms
	perSecond      = 200
	senders        = 64
	length         = 5 * time.Second
	// crowd is more than wait in the server.
	crowd = 1500
	// mostMemory is what the server may have held at most after the flood, in MiB.
	mostMemory = 256
)

func BenchmarkSQLite(b *testing.B) {
	measure(b, "SQLite", "sqlite:"+filepath.Join(b.TempDir(), "floor.db"), "")
}

func BenchmarkPostgreSQL(b *testing.B) {
	server := storetest.NewServer(b)
	measure(b, "PostgreSQL", server.Database(b).DSN, server.Database(b).DSN)
}

func measure(b *testing.B, kind, floorDatabase, database string) {
	w := world.New(b, world.Options{Postgres: database})
	body := sample(b, w)
	floor := newTarget(startFloor(b, floorDatabase), secret, body)
	product := newTarget("http://"+w.Address+"/webhooks/github", w.Forge.Info().WebhookSecret, body)
	floor.rate(b, senders, time.Second) // what is slow only once
	product.rate(b, 1, time.Second/2)

	floorTimes := floor.steady(b, perSecond, 2*length)
	before := w.Processor()
	times := product.steady(b, perSecond, 2*length)
	bound.Tell(b, "webhook "+kind+": server's processor time for each at 200/s", "ms", (w.Processor()-before)*1000/float64(len(times)), 0)
	bound.Below(b, "webhook "+kind+": p99 at 200/s", "ms", times.Quantile(0.99), mostP99)
	bound.Tell(b, "webhook "+kind+": p99 at 200/s, beside the floor's", "ms", times.Quantile(0.99), floorTimes.Quantile(0.99))
	bound.Tell(b, "webhook "+kind+": median at 200/s", "ms", times.Median(), floorTimes.Median())

	floorRate := floor.rate(b, senders, length)
	bound.AtLeast(b, "webhook "+kind+": accepted", "1/s", product.rate(b, senders, length), floorRate, leastOverFloor)
	overload(b, kind, w, product)
}

// overload floods the server beyond what may wait in it, and counts both ways.
func overload(b *testing.B, kind string, w *world.World, product *target) {
	all := product.flood(crowd, length)
	stored := storedDeliveries(b, w)
	lost, kept, unclear, taken, refused := 0, 0, 0, 0, 0
	for _, o := range all {
		switch is := stored[o.id]; {
		case o.status == http.StatusAccepted && !is:
			lost++
		case o.status == http.StatusAccepted:
			taken++
		case o.status != http.StatusServiceUnavailable || !o.retry:
			unclear++
		case is:
			kept++
		default:
			refused++
		}
	}
	bound.None(b, "webhook "+kind+" flood: accepted but not stored", "", float64(lost))
	bound.None(b, "webhook "+kind+" flood: refused but stored", "", float64(kept))
	bound.None(b, "webhook "+kind+" flood: neither accepted nor told to retry", "", float64(unclear))
	bound.Tell(b, "webhook "+kind+" flood: accepted", "1/s", float64(taken)/length.Seconds(), 0)
	bound.Tell(b, "webhook "+kind+" flood: told to retry", "1/s", float64(refused)/length.Seconds(), 0)
	bound.Below(b, "webhook "+kind+" flood: server's most memory", "MiB", w.PeakMemory(), mostMemory)
}

func storedDeliveries(b *testing.B, w *world.World) map[string]bool {
	b.Helper()
	rows, err := w.Store().DB().QueryContext(context.Background(), "SELECT id FROM deliveries")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	stored := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			b.Fatal(err)
		}
		stored[id] = true
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return stored
}

// sample is a delivery as the forge sends it, of a comment that asks for nothing.
func sample(b *testing.B, w *world.World) []byte {
	b.Helper()
	title, text := "Measured", "This comment has no command in it."
	maria := w.As(world.Developer)
	issue, _, err := maria.Issues.Create(b.Context(), world.Owner, world.Name, &gh.IssueRequest{Title: &title, Body: &text})
	if err == nil {
		_, _, err = maria.Issues.CreateComment(b.Context(), world.Owner, world.Name, issue.GetNumber(), &gh.IssueComment{Body: &text})
	}
	if err != nil {
		b.Fatal(err)
	}
	var body []byte
	w.Until("the forge delivers", func() bool {
		for _, d := range w.Forge.Deliveries() {
			if d.Event == "issue_comment" && d.Status != 0 {
				body = d.Payload
			}
		}
		return body != nil
	})
	return body
}
