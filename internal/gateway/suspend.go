package gateway

import (
	"maps"
	"slices"
)

// Sessions lists those that are open, by their task, in order.
func (g *Gateway) Sessions() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.sessions))
}

// Suspend cuts everything that goes on in sessions and lets nothing begin, until they
// are opened again. Their directories stay, unlike after [Gateway.Close]: containers
// have them mounted, and find the socket of the next opening there. One that a canary
// ended does not open again all the same. One that is not open is fine.
func (g *Gateway) Suspend(tasks ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, task := range tasks {
		s, open := g.sessions[task]
		if !open {
			continue
		}
		delete(g.sessions, task)
		// Now, not later: it removes the socket, which must not be that of an opening
		// after this.
		_ = s.server.Close()
		s.cutTunnels()
		g.suspended.Go(s.end)
	}
}
