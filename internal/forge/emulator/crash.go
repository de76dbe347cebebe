package emulator

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Crash is what befalls a forge whose machine is switched off: every connection ends
// at once, whatever was asked on it, and what was about to be delivered is lost. What
// is stored stays. [Forge.Restart] serves it again, on the same address.
func (f *Forge) Crash() error {
	f.hub.stop()
	f.hub.lose()
	return f.server.Close()
}

// Restart serves again after a [Forge.Crash].
func (f *Forge) Restart(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listener.Addr().String())
	if err != nil {
		return fmt.Errorf("emulator: listening again: %w", err)
	}
	f.listener = listener
	return f.Start(ctx)
}

// lose forgets what is queued.
func (h *hub) lose() {
	h.mu.Lock()
	lost := h.queue
	for d, timer := range h.later {
		timer.Stop()
		lost = append(lost, d)
	}
	h.queue, h.later = nil, map[*delivery]*time.Timer{}
	h.signal()
	h.mu.Unlock()
	h.forge.mu.Lock()
	defer h.forge.mu.Unlock()
	for _, d := range lost {
		d.done, d.Dropped = true, true
	}
}
