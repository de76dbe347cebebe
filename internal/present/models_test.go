package present

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/task"
)

func TestSpendingReadsWell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		usage task.Usage
		want  string
	}{
		{task.Usage{Requests: 1, InputTokens: 34120, OutputTokens: 2310, Cost: 154_999}, "1 model request to `m`: 34,120 tokens in, 2,310 out, $0.15"},
		{task.Usage{Requests: 2, InputTokens: 10, CacheReadTokens: 1990, OutputTokens: 1}, "2 model requests to `m`: 2,000 tokens in (1,990 of them from the cache), 1 out, $0.00"},
		{task.Usage{Requests: 2, Unpriced: 2}, "2 model requests to `m`: 0 tokens in, 0 out"},
		{task.Usage{Requests: 2, Unpriced: 1, Cost: 10}, "2 model requests to `m`: 0 tokens in, 0 out, less than $0.01 without 1 request whose price is not configured"},
		{task.Usage{Cost: 1_234_567_890_000}, "0 model requests to `m`: 0 tokens in, 0 out, $1,234,567.89"},
	} {
		if got := Spent("m", c.usage).String(); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.usage, got, c.want)
		}
	}
}

func TestThreat38WhatAnAgentTriedIsShownInert(t *testing.T) {
	t.Parallel()
	v := ModelView{
		Usage:    task.Usage{Requests: 3, Redactions: 2},
		Refusals: []task.Refusal{{What: "POST /@everyone|Closes #1", Why: "<img src=x>", Count: 7}},
		Hosts:    []task.HostUse{{Host: "`@x`.example:443", Connections: 1, Bytes: 2048}},
	}
	got := v.reach("@model")
	for _, bad := range []string{" @everyone", " <img", "\n@"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q stands bare in:\n%s", bad, got)
		}
	}
	for _, want := range []string{"2 secrets were taken out", "What the agent tried", "2,048"} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in:\n%s", want, got)
		}
	}
	if (ModelView{}).reach("m") != "" {
		t.Error("a task without a model says something about one")
	}
}
