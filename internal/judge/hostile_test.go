package judge_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/hostiletest"
	"github.com/coderflow/coderflow/internal/judge"
)

func TestThreat39WhatIsNoVerdictIsNone(t *testing.T) {
	t.Parallel()
	answers := append(hostiletest.NoVerdicts("a.go"), hostiletest.Texts()...)
	for _, answer := range append(answers, hostiletest.Logs()...) {
		v, err := judge.Parse(answer, []string{"a.go"})
		if invalid := (*judge.InvalidError)(nil); !errors.As(err, &invalid) {
			t.Errorf("%.200q is taken for the verdict %+v (%v)", answer, v, err)
		}
	}
}

// A verdict may say anything, but with nothing that a terminal acts on.
func TestThreat39AVerdictsTextsHoldNoControlCharacters(t *testing.T) {
	t.Parallel()
	taken := 0
	for _, text := range hostiletest.Texts() {
		v, err := judge.Parse(hostiletest.Verdict(text, "a.go"), []string{"a.go"})
		if err != nil {
			continue
		}
		taken++
		kept, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if problem := string(kept); strings.Contains(problem, `\u001b`) || strings.ContainsAny(v.Summary+v.Findings[0].Title+v.Findings[0].Text, "\x00\x1b\x07\u202e\u009b") {
			t.Errorf("%q is kept as %s", text, problem)
		}
	}
	if taken < 100 {
		t.Errorf("%d verdicts are taken; the corpus's form of a verdict is not the judge's", taken)
	}
}
