package judge

import (
	"fmt"
	"strings"
)

// Miss is what is kept instead of a verdict where there is none.
type Miss struct {
	Problem string `json:"problem"`
	Retried bool   `json:"retried"` // the next attempt is the second try of the same
}

// Brief is a verdict in one line.
func Brief(v Verdict) string {
	var scores []string
	for _, a := range Aspects() {
		scores = append(scores, fmt.Sprintf("%s %d", a, v.Scores[a].Score))
	}
	count := "no findings"
	switch n := len(v.Findings); {
	case n == 1:
		count = "1 finding"
	case n > 1:
		count = fmt.Sprintf("%d findings", n)
	}
	return fmt.Sprintf("recommends %s; %s; %s", v.Recommendation, strings.Join(scores, ", "), count)
}
