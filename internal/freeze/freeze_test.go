package freeze

import (
	"strings"
	"testing"
	"time"
)

func TestTheWholeServerCoversEveryEnvironment(t *testing.T) {
	t.Parallel()
	staging := Freeze{ID: "1", Resource: Environment("staging"), Reason: "r", By: "github:1"}
	server := Freeze{ID: "2", Resource: Server, Reason: "r", By: "github:2"}
	for name, row := range map[string]struct {
		set  Set
		ask  []string
		want string
	}{
		"nothing":             {nil, []string{"staging"}, ""},
		"this one":            {Set{staging}, []string{"staging"}, "1"},
		"another":             {Set{staging}, []string{"production"}, ""},
		"one of two":          {Set{staging}, []string{"production", "staging"}, "1"},
		"the server":          {Set{server}, []string{"production"}, "2"},
		"the server, no name": {Set{server}, nil, "2"},
		"no name":             {Set{staging}, nil, ""},
		"an empty name":       {Set{staging}, []string{""}, ""},
		"both":                {Set{staging, server}, []string{"staging"}, "2"},
	} {
		if got, _ := row.set.Over(row.ask...); got.ID != row.want {
			t.Errorf("%s: %q, want %q", name, got.ID, row.want)
		}
	}
}

func TestTheTimeOfAFreezeCountsOnce(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	for name, row := range map[string]struct {
		list []Freeze
		want int // minutes of the hour from 10 to 40
	}{
		"none":            {nil, 0},
		"before":          {[]Freeze{{At: at(0), ThawedAt: at(5)}}, 0},
		"across":          {[]Freeze{{At: at(0), ThawedAt: at(15)}}, 5},
		"in force":        {[]Freeze{{At: at(30)}}, 10},
		"after":           {[]Freeze{{At: at(50)}}, 0},
		"twice":           {[]Freeze{{At: at(12), ThawedAt: at(14)}, {At: at(20), ThawedAt: at(25)}}, 7},
		"overlapping":     {[]Freeze{{At: at(20), ThawedAt: at(30)}, {At: at(12), ThawedAt: at(22)}}, 18},
		"one in another":  {[]Freeze{{At: at(12), ThawedAt: at(30)}, {At: at(15), ThawedAt: at(20)}}, 18},
		"all of the time": {[]Freeze{{At: at(0)}, {At: at(20)}}, 30},
	} {
		if got := Stood(row.list, at(10), at(40)); got != time.Duration(row.want)*time.Minute {
			t.Errorf("%s: %s, want %d minutes", name, got, row.want)
		}
	}
}

// What a server found paused when it started again had stood still until then. What
// went on in between did not.
func TestAThawThatNobodyFollowedBeganLater(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	twice := []Freeze{{At: at(12), ThawedAt: at(14)}, {At: at(20), ThawedAt: at(25)}}
	overlapping := []Freeze{{At: at(20), ThawedAt: at(30)}, {At: at(12), ThawedAt: at(22)}}
	for name, row := range map[string]struct {
		list    []Freeze
		moments []time.Time
		want    int // minutes of the hour from 10 to 40
	}{
		"never":              {twice, nil, 7},
		"late":               {twice, []time.Time{at(35)}, 17},
		"each":               {twice, []time.Time{at(16), at(35)}, 19},
		"the first, late":    {twice, []time.Time{at(16)}, 9},
		"paused by hand too": {twice, []time.Time{at(25), at(35)}, 7},
		"overlapping":        {overlapping, []time.Time{at(35)}, 23},
		"in force":           {[]Freeze{{At: at(30)}}, []time.Time{at(35)}, 10},
		"not frozen":         {nil, []time.Time{at(35)}, 0},
	} {
		if got := Stood(Resumed(row.list, row.moments), at(10), at(40)); got != time.Duration(row.want)*time.Minute {
			t.Errorf("%s: %s, want %d minutes", name, got, row.want)
		}
	}
}

func TestAReasonIsOneLine(t *testing.T) {
	t.Parallel()
	for reason, good := range map[string]bool{
		"a token leaked": true, "": false, "  ": false, "two\nlines": false, "red\x1b[31m": false, "\u202eflipped": false,
		"\xff": false, strings.Repeat("x", MaxReason): true, strings.Repeat("x", MaxReason+1): false,
	} {
		if why := CheckReason(reason); (why == "") != good {
			t.Errorf("%.20q: %q", reason, why)
		}
	}
}
