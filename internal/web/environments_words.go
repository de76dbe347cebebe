package web

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// gateView is what an approval takes, in words.
type gateView struct {
	Needs     string // of every change
	Requester string
	Message   string
	Rules     []ruleView
}

// ruleView is one rule that asks for more.
type ruleView struct {
	Name, If, Needs string
}

// required is what the gate asks of a change that no rule matches.
func required(g policy.Gate) string {
	return policy.Gate{Approvals: g.Approvals, From: g.From}.Require(policy.Change{}).String()
}

func viewGate(g policy.Gate) gateView {
	v := gateView{
		Needs: required(g), Requester: "Whoever asked for the task does not count as an approver.",
		Message: "An approving review without a text of its own lands with the proposed message.",
	}
	if g.RequesterMayApprove {
		v.Requester = "Whoever asked for the task may approve it too, as one of the approvers."
	}
	if g.CommitMessage == policy.MessageWritten {
		v.Message = "The approving review must contain the commit message."
	}
	for _, r := range g.Rules {
		v.Rules = append(v.Rules, ruleView{
			Name: r.Name, If: ruleCondition(r), Needs: required(policy.Gate{Approvals: r.Approvals, From: r.From}),
		})
	}
	return v
}

// ruleCondition says when a rule holds.
func ruleCondition(r policy.GateRule) string {
	var when []string
	if len(r.Paths) > 0 {
		when = append(when, "it touches "+alternatives(r.Paths))
	}
	if len(r.Risks) > 0 {
		when = append(when, "it has the risk "+alternatives(r.Risks))
	}
	if r.Files > 0 {
		when = append(when, fmt.Sprintf("it changes more than %d files", r.Files))
	}
	if r.Lines > 0 {
		when = append(when, fmt.Sprintf("it changes more than %d lines", r.Lines))
	}
	if r.Judges != nil {
		when = append(when, judgeConditions(*r.Judges)...)
	}
	return strings.Join(when, ", or ")
}

func judgeConditions(r policy.JudgeRule) (when []string) {
	if len(r.Recommend) > 0 {
		when = append(when, "a judge recommends to "+alternatives(r.Recommend))
	}
	for _, aspect := range slices.Sorted(maps.Keys(r.Below)) {
		when = append(when, fmt.Sprintf("a judge gives less than %d for %s", r.Below[aspect], aspect))
	}
	return append(when, "a judge has not given a valid verdict")
}

// alternatives joins words with "or".
func alternatives(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return strings.Join(words, "")
}

// agentView is an agent that requests can name, in words.
type agentView struct {
	Name, Preset, Image, Command string
	Models                       []string
	Budget                       string
	First                        bool
}

func viewAgents(e manifest.Environment) []agentView {
	var list []agentView
	for i, name := range e.AgentNames() {
		with, _ := e.WithAgent(name)
		v := agentView{
			Name: name, Preset: with.Agent.Preset, Image: with.Agent.Image, Command: strings.Join(with.Agent.Command, " "), First: i == 0,
		}
		v.Models, v.Budget = modelWords(with.Model)
		list = append(list, v)
	}
	return list
}

// modelWords are which models may be used, and how much.
func modelWords(m *manifest.Model) (names []string, budget string) {
	if m == nil {
		return nil, ""
	}
	for _, name := range m.Names {
		names = append(names, m.Provider+"/"+name)
	}
	b := m.Budget
	text := []string{"a task: " + console.Count(or(b.TaskTokens, manifest.DefaultTaskTokens)) + " tokens" + usd(b.TaskUSD)}
	return names, strings.Join(append(text, "a day: "+console.Count(or(b.DayTokens, manifest.DefaultDayTokens))+" tokens"+usd(b.DayUSD)), "; ")
}

func or(n, otherwise int64) int64 {
	if n == 0 {
		return otherwise
	}
	return n
}

func usd(amount float64) string {
	if amount == 0 {
		return ""
	}
	return " or $" + strconv.FormatFloat(amount, 'f', 2, 64)
}

// judgeRow is a judge in words.
type judgeRow struct {
	Name, Preset, Prompt string
	Models               []string
}

func viewJudges(e manifest.Environment) []judgeRow {
	var list []judgeRow
	for _, j := range e.Judges {
		row := judgeRow{Name: j.Name, Preset: j.Agent.Preset, Prompt: j.Prompt}
		if row.Models, _ = modelWords(j.Model); j.Model == nil {
			row.Models, _ = modelWords(e.Model)
		}
		list = append(list, row)
	}
	return list
}

// checkRow is a check in words.
type checkRow struct {
	Name, Runs, Image string
	Timeout           time.Duration
	Required          bool
}

func viewChecks(e manifest.Environment) []checkRow {
	var list []checkRow
	for _, k := range e.Checks {
		row := checkRow{Name: k.Name, Runs: strings.Join(k.Command, " "), Image: k.Image, Timeout: time.Duration(k.Timeout), Required: k.Required}
		if k.Script != "" {
			row.Runs = k.Script
		}
		list = append(list, row)
	}
	return list
}

// limitFacts are the bounds of a task's container.
func limitFacts(e manifest.Environment) []fact {
	l := e.Limits
	facts := []fact{
		{"Memory", l.Memory.String()}, {"CPUs", strconv.FormatFloat(l.CPUs, 'g', -1, 64)}, {"Processes", console.Count(l.Pids)},
		{"Time", console.Span(time.Duration(l.WallTime))}, {"Output", l.OutputBytes.String()},
		{"Disk", l.Workspace.String() + ", " + console.Plural(l.WorkspaceFiles, "file")},
	}
	if e.Sandbox.Runtime != "" {
		facts = append(facts, fact{"Runtime", e.Sandbox.Runtime})
	}
	return facts
}

// boundFacts are the bounds of a proposal, and how long things are kept.
func boundFacts(e manifest.Environment) []fact {
	return []fact{
		{"Files in a proposal", console.Count(int64(e.Proposal.MaxFiles))},
		{"Size of a proposal", fmt.Sprintf("%s, a file %s", e.Proposal.MaxTotalBytes, e.Proposal.MaxFileBytes)},
		{"A proposal waits", console.Span(time.Duration(e.Proposal.ExpiresAfter))},
		{"Container and workspace are kept", console.Span(time.Duration(e.Retention.Workspace))},
		{"Output is kept", console.Span(time.Duration(e.Retention.Output))},
		{"Deployments are kept", console.Plural(int64(e.Deployments.Keep), "run")},
	}
}

// standingWords are the deployments that happen without being named in a review.
func standingWords(e manifest.Environment) []string {
	var list []string
	say := func(when string, standing []manifest.Standing) {
		for _, s := range standing {
			text := s.Profile
			for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
				text += " " + name + "=" + fmt.Sprint(s.Parameters[name])
			}
			list = append(list, text+" "+when)
		}
	}
	say("after every approval", e.Deployments.OnApproval)
	say("after every merge", e.Deployments.OnMerge)
	return list
}
