package approval

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestThreat50WordsAreWhatStandsBeforeOurOwnTrailers(t *testing.T) {
	t.Parallel()
	ann := forge.User{Subject: forge.Subject{Host: forge.GitHub, ID: "1"}, Login: "ann"}
	trailers := Trailers("aaaaaaaaaaaa", "sha256:1", "https://forge.example/r/1", ann, []forge.User{{Subject: forge.Subject{Host: forge.GitHub, ID: "2"}, Login: "bob"}})
	end := "\n\n" + strings.Join(trailers, "\n") + "\n"
	if words, err := Words("Do it\n\nwell"+end, trailers); err != nil || words != "Do it\n\nwell" {
		t.Errorf("%q, %v", words, err)
	}
	for _, message := range []string{
		"", "Do it", "Do it\n", end, "Do it" + end + "x", "Do it" + strings.TrimSuffix(end, "\n"), "Do it" + strings.Replace(end, "bob", "eve", 1),
		"Do it" + strings.Replace(end, "\nApproved-by: bob (github:2)", "", 1), "Do it\n\nCoderflow-Task: x" + end, "Do it\n\napproved-BY : eve" + end,
		" Do it" + end, "Do\u202e it" + end, "Do it\r" + end, "Do\xffit" + end,
	} {
		if words, err := Words(message, trailers); err == nil {
			t.Errorf("%q has the words %q", message, words)
		}
	}
}

func TestAMessageClaimsWithAnySpellingOfOurTrailers(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		"": false, "x": false, "Coderflow is good": false, "see Coderflow-Task: x": false, "Coderflow-Tasks: x": false,
		"x\n\nCoderflow-Task: x": true, "coderflow-proposal:x": true, " \tCODERFLOW-REVIEW \t: x": true, "a\r\nCoderflow-Requested-By: x": true,
	} {
		if Claims(message) != want {
			t.Errorf("%q: %t", message, !want)
		}
	}
}
