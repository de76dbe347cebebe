package secret

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestATripwireNamesTheCanaryInEverySpelling(t *testing.T) {
	t.Parallel()
	const decoy = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"
	real, err := NewValue("REAL", []byte("not a decoy at all"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewValue("AWS_KEY", []byte(decoy+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	wire := NewTripwire(real, v.AsCanary())
	for _, text := range []string{
		decoy, base64.StdEncoding.EncodeToString([]byte("key=" + decoy + ";")), hex.EncodeToString([]byte(decoy)),
		strings.ToLower(decoy), decoy[:9] + "\n" + decoy[9:], strings.ReplaceAll(decoy, "/", "%2F"),
	} {
		padded := strings.Repeat("not a decoy at all ", 100) + text
		if name, end, found := wire.Find(padded + " and more"); !found || name != "AWS_KEY" || end <= 1900 || end > int64(len(padded)) {
			t.Errorf("%q: %q ends at %d, %v", text, name, end, found)
		}
		w := wire.Watch()
		for i := range padded {
			_, _ = w.Write([]byte{padded[i]})
		}
		if name, _, found := w.Found(); !found || name != "AWS_KEY" {
			t.Errorf("%q in pieces: %q, %v", text, name, found)
		}
	}
	for _, text := range []string{"", "not a decoy at all", decoy[:len(decoy)-1], strings.Repeat("x", 1000)} {
		if name, _, found := wire.Find(text); found {
			t.Errorf("%q was taken for %s", text, name)
		}
	}
}

func TestThereIsNoTripwireWithoutACanary(t *testing.T) {
	t.Parallel()
	v, err := NewValue("REAL", []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	wire := NewTripwire(v)
	if wire != nil {
		t.Error("an ordinary secret is one")
	}
	_, _ = wire.Watch().Write([]byte("correct horse"))
	if _, _, found := wire.Find("correct horse"); found {
		t.Error("found")
	}
	if _, _, found := wire.Watch().Found(); found {
		t.Error("found")
	}
}

func TestACanaryPrintsItselfNowhere(t *testing.T) {
	t.Parallel()
	v, err := NewValue("KEY", []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	v = v.AsCanary()
	trip := Trip{Canary: v.Name(), Place: InRequest, Where: "the body", At: time.Now()}
	said := fmt.Sprintf("%v %+v %#v %s %v", v, v, v, trip, NewTripwire(v))
	if strings.Contains(said, "correct") || !v.IsCanary() || trip.String() != "canary KEY appeared in REQUEST at the body" {
		t.Error(said)
	}
}

func TestDecoysLookLikeWhatTheyAreNot(t *testing.T) {
	t.Parallel()
	for form, pattern := range map[string]string{
		"aws-id": `^AKIA[A-Z2-7]{16}$`, "aws-key": `^[A-Za-z0-9/+]{40}$`, "github-token": `^ghp_[A-Za-z0-9]{36}$`, "password": `^[A-Za-z0-9_-]{24}$`,
	} {
		one, err := NewDecoy(form)
		if err != nil {
			t.Fatal(err)
		}
		other, err := NewDecoy(form)
		if err != nil || string(one) == string(other) || !regexp.MustCompile(pattern).Match(one) {
			t.Errorf("%s: %q, %q, %v", form, one, other, err)
		}
	}
	if _, err := NewDecoy("rsa"); err == nil || len(DecoyForms()) != len(decoys) {
		t.Errorf("%v", err)
	}
}
