package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// How soon a lost event stream is asked for again.
const (
	reconnectMin = 250 * time.Millisecond
	reconnectMax = 10 * time.Second
)

var eventKinds = map[events.Action]sandbox.EventKind{
	events.ActionStart: sandbox.EventStarted, events.ActionDie: sandbox.EventExited,
	events.ActionOOM: sandbox.EventOOM, events.ActionDestroy: sandbox.EventRemoved,
}

// Events yields what happens to this installation's containers until ctx ends, then closes the channel. The stream
// is opened again whenever it breaks; each opening begins with EventResync, because events are lost in between.
func (r *Runner) Events(ctx context.Context) <-chan sandbox.Event {
	out := make(chan sandbox.Event)
	go func() {
		defer close(out)
		pause := reconnectMin
		for ctx.Err() == nil {
			if r.stream(ctx, out) {
				pause = reconnectMin
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, reconnectMax)
		}
	}()
	return out
}

// stream passes events on until the stream breaks. It reports whether the engine answered at all.
func (r *Runner) stream(ctx context.Context, out chan<- sandbox.Event) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.Ping(ctx); err != nil {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "no events from the Docker engine", "error", err)
		}
		return false
	}
	filter := r.mine()
	filter.Add("type", string(events.ContainerEventType))
	for action := range eventKinds {
		filter.Add("event", string(action))
	}
	messages, failed := r.engine.Events(ctx, events.ListOptions{Filters: filter})
	if !send(ctx, out, sandbox.Event{Kind: sandbox.EventResync, At: time.Now()}) {
		return true
	}
	for {
		select {
		case message := <-messages:
			if !send(ctx, out, translate(message)) {
				return true
			}
		case err := <-failed:
			if ctx.Err() == nil {
				r.log.WarnContext(ctx, "the Docker engine's events broke off", "error", err)
			}
			return true
		}
	}
}

func translate(message events.Message) sandbox.Event {
	return sandbox.Event{
		Kind: eventKinds[message.Action], Name: message.Actor.Attributes[labelName], At: time.Unix(0, message.TimeNano),
	}
}

func send(ctx context.Context, out chan<- sandbox.Event, event sandbox.Event) bool {
	select {
	case out <- event:
		return true
	case <-ctx.Done():
		return false
	}
}
