package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/task"
)

// lineOf is a line of places as "ENVIRONMENT" for one that waits and "ENVIRONMENT@NODE" for
// one that runs, named by their number.
func lineOf(scheduling map[string]manifest.Scheduling, places ...string) line {
	l := line{set: &manifest.Set{Environments: map[string]manifest.Environment{}}}
	for name, s := range scheduling {
		l.set.Environments[name] = manifest.Environment{Name: name, Scheduling: s}
	}
	for i, text := range places {
		environment, at, running := strings.Cut(text, "@")
		p := task.Place{Task: task.ID(fmt.Sprint(i)), Environment: environment, State: task.Queued}
		if running {
			p.State, p.Node = task.Running, at
		}
		l.places = append(l.places, p)
	}
	return l
}

func worker(id string, slots int, labels ...string) node.Node {
	return node.Node{ID: id, Name: id, Slots: slots, Labels: labels}
}

func TestWhoIsNext(t *testing.T) {
	t.Parallel()
	drained, lost := worker("a", 4), worker("a", 4)
	drained.DrainedAt, lost.LostAt = time.Now(), time.Now()
	for name, tt := range map[string]struct {
		scheduling map[string]manifest.Scheduling
		places     []string
		node       node.Node
		want       string
	}{
		"the oldest, as many as there are places":        {nil, []string{"x", "x", "x"}, worker("a", 2), "0 1"},
		"what runs here takes a place":                   {nil, []string{"x@a", "x", "x"}, worker("a", 2), "1"},
		"what runs elsewhere takes none":                 {nil, []string{"x@b", "x", "x"}, worker("a", 2), "1 2"},
		"an environment that has none before a busy one": {nil, []string{"x@b", "x", "x", "y"}, worker("a", 2), "3 1"},
		"no more than the environment may": {
			map[string]manifest.Scheduling{"x": {MaxRunning: 2}}, []string{"x@b", "x", "x", "y"}, worker("a", 4), "3 1",
		},
		"not without the labels": {
			map[string]manifest.Scheduling{"x": {Labels: []string{"gpu"}}}, []string{"x", "y"}, worker("a", 4, "big"), "1",
		},
		"with the labels":            {map[string]manifest.Scheduling{"x": {Labels: []string{"gpu"}}}, []string{"x", "y"}, worker("a", 4, "big", "gpu"), "0 1"},
		"nothing on a drained one":   {nil, []string{"x"}, drained, ""},
		"nothing on a lost one":      {nil, []string{"x"}, lost, ""},
		"nothing without an engine":  {nil, []string{"x"}, worker("a", 0), ""},
		"more run here than it runs": {nil, []string{"x@a", "x@a", "x"}, worker("a", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, id := range lineOf(tt.scheduling, tt.places...).next(tt.node) {
				got = append(got, string(id))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("next %v, want %s", got, tt.want)
			}
		})
	}
}

func TestATaskThatSomebodyStoppedTakesNoPlace(t *testing.T) {
	t.Parallel()
	l := lineOf(nil, "x", "x")
	l.places[0].Unwanted = true
	if next := l.next(worker("a", 1)); len(next) != 1 || next[0] != "1" {
		t.Errorf("next %v", next)
	}
}

// Whatever waits and runs: a node is never given more than it has places for, nor an
// environment more than it may; nobody is given who does not wait; a place stays empty only
// if nobody could have it; and of one environment the older goes first.
func TestTheLineIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"x", "y", "z"}
		scheduling := map[string]manifest.Scheduling{}
		for _, name := range names {
			scheduling[name] = manifest.Scheduling{
				MaxRunning: rapid.IntRange(0, 4).Draw(t, "most"),
				Labels:     rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"gpu", "big"}), 0, 2, rapid.ID[string]).Draw(t, "labels"),
			}
		}
		places := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom(names).Draw(t, "environment") + rapid.SampledFrom([]string{"", "", "@a", "@b"}).Draw(t, "at")
		}), 0, 20).Draw(t, "places")
		l := lineOf(scheduling, places...)
		me := worker("a", rapid.IntRange(0, 6).Draw(t, "slots"), rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"gpu", "big"}), 0, 2, rapid.ID[string]).Draw(t, "has")...)
		next := l.next(me)
		if len(next) > l.free(me) {
			t.Fatalf("%d tasks for %d places", len(next), l.free(me))
		}
		running := l.running()
		for _, id := range next {
			i := slices.IndexFunc(l.places, func(p task.Place) bool { return p.Task == id })
			p := l.places[i]
			if !p.Waits() || !me.Has(scheduling[p.Environment].Labels) {
				t.Fatalf("task %s may not begin here", id)
			}
			for _, older := range l.places[:i] {
				if older.Waits() && older.Environment == p.Environment && !slices.Contains(next, older.Task) {
					t.Fatalf("task %s goes before the older %s", id, older.Task)
				}
			}
			running[p.Environment]++
		}
		for name, s := range scheduling {
			if s.MaxRunning > 0 && running[name] > s.MaxRunning && running[name] > l.running()[name] {
				t.Fatalf("%d agents of %s, of %d", running[name], name, s.MaxRunning)
			}
		}
		if len(next) == l.free(me) {
			return
		}
		for _, p := range l.places {
			s := scheduling[p.Environment]
			if p.Waits() && !slices.Contains(next, p.Task) && me.Has(s.Labels) && (s.MaxRunning == 0 || running[p.Environment] < s.MaxRunning) {
				t.Fatalf("task %s waits beside a free place", p.Task)
			}
		}
	})
}

func TestTheFreestNodeBegins(t *testing.T) {
	t.Parallel()
	l := lineOf(map[string]manifest.Scheduling{"gpu": {Labels: []string{"gpu"}}}, "x@a", "x", "gpu")
	nodes := []node.Node{worker("a", 2), worker("b", 2), worker("c", 1, "gpu")}
	for environment, want := range map[string]string{"x": "b", "gpu": "c"} {
		if best, some := l.best(nodes, environment); !some || best.ID != want {
			t.Errorf("%s begins on %s", environment, best.ID)
		}
	}
	if _, some := l.best([]node.Node{worker("a", 1)}, "x"); some {
		t.Error("a full node is the best")
	}
}

func TestPeopleSeeTheirPlace(t *testing.T) {
	t.Parallel()
	l := lineOf(map[string]manifest.Scheduling{"x": {MaxRunning: 1}, "gpu": {Labels: []string{"gpu"}}}, "x@a", "x", "x", "y", "gpu")
	nodes := []node.Node{worker("a", 2)}
	for id, want := range map[task.ID]task.InLine{
		"0": {},
		"3": {Place: 1, Waiting: 4},
		"4": {Place: 2, Waiting: 4, Why: "no node that takes tasks has the labels gpu"},
		"1": {Place: 3, Waiting: 4, Why: "environment x runs as many agents as it may: 1"},
		"9": {},
	} {
		if got := l.place(id, nodes); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if got := l.place("3", nil); got.Why != "no node takes tasks now" {
		t.Errorf("without nodes: %+v", got)
	}
}
