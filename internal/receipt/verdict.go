package receipt

import "fmt"

// State is how a link of the chain stands.
type State string

// States of a link.
const (
	Holds State = "holds"
	Fails State = "fails"
	// Absent is what there is none of, or what was not looked at because something
	// before it fails.
	Absent State = "absent"
)

// Link is one link of the chain from a commit to who approved it.
type Link struct {
	Name    string   `json:"name"`
	State   State    `json:"state"`
	Text    string   `json:"text"`
	Details []string `json:"details"`
}

// Verdict is what was found about one commit.
type Verdict struct {
	// Asked is the commit that was asked about, Commit the one that was verified: a
	// merge has no receipt of its own.
	Asked  string `json:"asked"`
	Commit string `json:"commit"`
	// Claimed tells that the commit says of itself that CoderFlow made it.
	Claimed bool `json:"claimed"`
	Valid   bool `json:"valid"`
	// Partial tells that Asked is a merge with another tree than Commit, which is
	// verified: what else is in the merge, no receipt is about. Valid is then whether
	// commits without a claim are good.
	Partial bool   `json:"partial"`
	Links   []Link `json:"links"`
}

// names are the links in their order.
var names = []string{
	"commit", "receipt", "subject", "log", "record", "request", "proposal", "approval", "authorship", "push", "deployments", "checks", "judges",
}

func (v *Verdict) put(name string, state State, format string, args ...any) *Link {
	v.Links = append(v.Links, Link{Name: name, State: state, Text: fmt.Sprintf(format, args...), Details: []string{}})
	if state == Fails {
		v.Valid = false
	}
	return &v.Links[len(v.Links)-1]
}

func (v *Verdict) holds(name, format string, args ...any) *Link {
	return v.put(name, Holds, format, args...)
}

func (v *Verdict) absent(name, format string, args ...any) *Link {
	return v.put(name, Absent, format, args...)
}

// fails notes an error, in its own words.
func (v *Verdict) fails(name string, err error) { v.put(name, Fails, "%v", err) }

func (l *Link) detail(format string, args ...any) {
	l.Details = append(l.Details, fmt.Sprintf(format, args...))
}

// rest notes every link that was not looked at.
func (v *Verdict) rest(why string) {
	done := map[string]bool{}
	for _, l := range v.Links {
		done[l.Name] = true
	}
	for _, name := range names {
		if !done[name] {
			v.absent(name, "not looked at: %s", why)
		}
	}
}
