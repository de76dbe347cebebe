package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/node"
)

func TestWhichTasksANodeTakes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		n      node.Node
		labels []string
		want   bool
	}{
		"any, without labels":          {node.Node{Slots: 1}, nil, true},
		"with all of the labels":       {node.Node{Slots: 1, Labels: []string{"zone=eu", "gpu", "big"}}, []string{"gpu", "zone=eu"}, true},
		"not with one of the labels":   {node.Node{Slots: 1, Labels: []string{"gpu"}}, []string{"gpu", "zone=eu"}, false},
		"not with a part of the label": {node.Node{Slots: 1, Labels: []string{"gpu2"}}, []string{"gpu"}, false},
		"none without an engine":       {node.Node{Labels: []string{"gpu"}}, []string{"gpu"}, false},
		"none while it is drained":     {node.Node{Slots: 1, DrainedAt: now}, nil, false},
		"none while it is lost":        {node.Node{Slots: 1, LostAt: now}, nil, false},
	} {
		if got := tt.n.Takes(tt.labels); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheStateOfANode(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, nodes := range map[node.State][]node.Node{
		node.Ready:    {{}, {Slots: 1}},
		node.Draining: {{DrainedAt: now}},
		node.Lost:     {{LostAt: now}, {LostAt: now, DrainedAt: now}},
	} {
		for _, n := range nodes {
			if n.State() != want {
				t.Errorf("%+v is %s, want %s", n, n.State(), want)
			}
		}
	}
}

func TestANodeIsFoundByItsIDOrItsOwnName(t *testing.T) {
	t.Parallel()
	all := []node.Node{{ID: "a", Name: "one"}, {ID: "b", Name: "two"}, {ID: "c", Name: "two"}, {ID: "d", Name: "e"}, {ID: "e", Name: "five"}}
	for asked, want := range map[string]struct {
		id      string
		matches int
	}{
		"a": {"a", 1}, "one": {"a", 1}, "c": {"c", 1}, "two": {"", 2}, "nobody": {"", 0}, "": {"", 0},
		"e": {"e", 1}, // an id, whoever else is called that
	} {
		if n, matches := node.Find(all, asked); n.ID != want.id || matches != want.matches {
			t.Errorf("%q is %q, %d match", asked, n.ID, matches)
		}
	}
}

func TestWhatCanBeALabelOrAName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text        string
		label, name bool
	}{
		{"gpu", true, true}, {"zone=eu-1", true, true}, {"a.b_c", true, true}, {"7", true, true},
		{strings.Repeat("a", 63), true, true}, {strings.Repeat("a", 64), false, true}, {strings.Repeat("a", 101), false, false},
		{"", false, false}, {"GPU", false, true}, {"-gpu", false, true}, {"gpu=", false, true}, {"a,b", false, true},
		{"a b", false, false}, {"gpu\n", false, false}, {"größe", false, false},
	} {
		if label, name := node.ValidLabel(tt.text), node.ValidName(tt.text); label != tt.label || name != tt.name {
			t.Errorf("%q: a label %v, a name %v", tt.text, label, name)
		}
	}
}
