package config

import (
	"os"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/node"
)

const (
	maxConcurrency   = 256
	defaultLostAfter = time.Minute
	// minLostAfter leaves time for a few signs of life that come late.
	minLostAfter = 15 * time.Second
)

// worker checks what this process runs containers for.
func (l *loader) worker(raw workerFile, postgres bool) Worker {
	w := Worker{
		Enabled: raw.Enabled, Concurrency: raw.Concurrency, Name: raw.Name, Labels: raw.Labels, LostAfter: time.Duration(raw.LostAfter),
	}
	if w.Concurrency < 1 || w.Concurrency > maxConcurrency {
		l.wrong("worker.concurrency", "want between 1 and %d", maxConcurrency)
	}
	if !w.Enabled && !postgres {
		l.wrong("worker.enabled", "a process that runs no containers needs others that do, and those need PostgreSQL between them: set database to a postgres:// address")
	}
	if w.LostAfter < minLostAfter || w.LostAfter > 24*time.Hour {
		l.wrong("worker.lostAfter", "want between %s and 24h, not %s", minLostAfter, w.LostAfter)
	}
	if w.Name == "" {
		w.Name = hostName()
	} else if !node.ValidName(w.Name) {
		l.wrong("worker.name", "want 1 to %d printable ASCII characters without spaces, not %q", node.MaxName, w.Name)
	}
	if len(w.Labels) > node.MaxLabels {
		l.wrong("worker.labels", "want at most %d labels", node.MaxLabels)
	}
	for i, label := range w.Labels {
		if !node.ValidLabel(label) {
			l.wrong("worker.labels", "%q is no label: want 1 to 63 of a–z, 0–9, \".\", \"_\", \"=\" and \"-\", beginning and ending with a letter or digit", label)
		} else if slices.Contains(w.Labels[:i], label) {
			l.wrong("worker.labels", "%q is there twice", label)
		}
	}
	return w
}

// hostName is what this machine calls itself, if that is fit to be shown.
func hostName() string {
	if name, err := os.Hostname(); err == nil && node.ValidName(name) {
		return name
	}
	return "node"
}
