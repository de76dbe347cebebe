package policy

import "testing"

func TestALoginIsShownWhereTheManifestsShowOne(t *testing.T) {
	t.Parallel()
	p := &Policy{
		Bindings: []Binding{{Name: "a", Subject: subject("1")}, {Name: "b", Subject: subject("1"), Login: "ann"}},
		Teams:    map[string]Team{"t": {Members: []Member{{Subject: subject("2"), Login: "bob"}}}},
	}
	for id, want := range map[string]string{"1": "ann", "2": "bob", "3": ""} {
		if got := p.LoginOf(subject(id)); got != want {
			t.Errorf("%s is %q", id, got)
		}
	}
}
