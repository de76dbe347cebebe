package present

import (
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/task"
)

// ModelView is what a task did through the gateway.
type ModelView struct {
	Usage    task.Usage
	Refusals []task.Refusal
	Hosts    []task.HostUse
}

// shownRefusals bounds the rows about attempts: an agent can try as much as it likes.
const shownRefusals = 10

// Spent says in one line what was spent on models, for people: "12 requests to
// m: 34,120 tokens in, 2,310 out, $0.15".
func Spent(model string, u task.Usage) Inert {
	in := u.InputTokens + u.CacheReadTokens + u.CacheWriteTokens
	text := Say("%s", words(count(int(u.Requests), "model request")))
	if model != "" {
		text = Say("%s to %s", text, short(model))
	}
	text = Say("%s: %s tokens in", text, words(thousands(in)))
	if u.CacheReadTokens > 0 {
		text = Say("%s (%s of them from the cache)", text, words(thousands(u.CacheReadTokens)))
	}
	text = Say("%s, %s out", text, words(thousands(u.OutputTokens)))
	if u.Cost > 0 || u.Unpriced == 0 {
		text = Say("%s, %s", text, words(Dollars(u.Cost)))
	}
	if u.Cost > 0 && u.Unpriced > 0 {
		text = Say("%s without %s whose price is not configured", text, words(count(int(u.Unpriced), "request")))
	}
	return text
}

// Dollars writes an amount of millionths of a US dollar.
func Dollars(millionths int64) string {
	if millionths > 0 && millionths < 10_000 {
		return "less than $0.01"
	}
	cents := (millionths + 5_000) / 10_000
	return fmt.Sprintf("$%s.%02d", thousands(cents/100), cents%100)
}

func thousands(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// reach tells a reviewer everything that the agent talked to, and what it tried.
func (v ModelView) reach(model string) string {
	var sections []string
	if v.Usage.Requests > 0 {
		line := Say("The agent made %s.", Spent(model, v.Usage)).markdown
		if n := v.Usage.Redactions; n > 0 {
			line += fmt.Sprintf(" **%s taken out of what it sent to the model.**", wasWere(int(n), "secret"))
		}
		sections = append(sections, line)
	}
	if text := v.reached("the agent", "the environment permits"); text != "" {
		sections = append(sections, text)
	}
	return strings.Join(sections, "\n\n")
}

// reached tells which hosts somebody talked to, and what was refused them.
func (v ModelView) reached(who, permits string) string {
	var sections []string
	if len(v.Hosts) > 0 {
		rows := make([][]Inert, 0, len(v.Hosts))
		for _, h := range v.Hosts {
			rows = append(rows, []Inert{short(h.Host), {thousands(h.Connections)}, {thousands(h.Bytes)}})
		}
		sections = append(sections, "Hosts that "+who+" reached, as "+permits+":\n\n"+table("host|connections|bytes", rows))
	}
	if len(v.Refusals) > 0 {
		rows := make([][]Inert, 0, shownRefusals)
		for _, r := range v.Refusals[:min(len(v.Refusals), shownRefusals)] {
			rows = append(rows, []Inert{short(r.What), short(r.Why), {thousands(r.Count)}})
		}
		text := "⚠ **What " + who + " tried and the gateway refused:**\n\n" + table("what|why|times", rows)
		if more := len(v.Refusals) - shownRefusals; more > 0 {
			text += fmt.Sprintf("\n\n%d more kinds: `coderflow tasks models`, or `deployments show`, lists them.", more)
		}
		sections = append(sections, text)
	}
	return strings.Join(sections, "\n\n")
}

func wasWere(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " was"
	}
	return fmt.Sprintf("%d %ss were", n, noun)
}
