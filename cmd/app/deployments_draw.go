package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/client"
)

// drawDeployments has a column for each question: who, what, when, with which
// parameters, from which approval, with which outcome.
func drawDeployments(t *table, list []client.Deployment) {
	t.row("DEPLOYMENT", "CREATED", "STATE", "WHAT", "COMMIT", "PARAMETERS", "TRIGGER", "REQUESTED BY", "APPROVED BY", "PULL REQUEST")
	for _, d := range list {
		t.row(d.ID, d.CreatedAt.UTC().Format(minutes), stateOf(d), d.Environment+"/"+d.Profile, shortCommit(d.Commit), brief(pairs(d.Parameters, " ")),
			dash(d.Trigger), named(d.RequestedBy), approvedBy(d), dash(d.PullRequestURL))
	}
}

// stateOf is a state, with the exit status where that says more.
func stateOf(d client.Deployment) string {
	if d.ExitCode != nil && *d.ExitCode != 0 {
		return fmt.Sprintf("%s (%d)", d.State, *d.ExitCode)
	}
	return d.State
}

// pairs are parameters that have a value, in the order of their names.
func pairs(parameters map[string]string, between string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if value := parameters[name]; value != "" {
			list = append(list, name+"="+value)
		}
	}
	return dash(strings.Join(list, between))
}

// brief keeps a cell to what a line has room for.
func brief(text string) string {
	const most = 60 // characters
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// named is who somebody is to a reader; the subject where there is no login.
func named(u client.User) string {
	if u.Login != "" {
		return u.Login
	}
	return dash(u.Subject)
}

func approvedBy(d client.Deployment) string {
	var list []string
	for _, a := range d.Approvers {
		list = append(list, named(a.User))
	}
	return dash(strings.Join(list, ", "))
}

// drawDeployment leaves out what is not there.
func drawDeployment(out *table, d client.Deployment) {
	line := func(name, text string) {
		if text != "" {
			out.row(name, text)
		}
	}
	line("deployment", d.ID)
	line("state", stateInWords(d))
	if d.ExitCode != nil {
		line("exit status", fmt.Sprint(*d.ExitCode))
	}
	line("because", d.Detail)
	line("environment", d.Environment)
	line("profile", d.Profile)
	line("repository", fmt.Sprintf("%s (%s)", d.Repository.Name, d.Repository.Key))
	line("commit", d.Commit)
	line("which is", coversInWords[d.Covers])
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		line("parameter "+name, dash(d.Parameters[name]))
	}
	line("trigger", cmp.Or(triggerInWords[d.Trigger], d.Trigger))
	line("requested by", who(d.RequestedBy))
	line("reason", d.Reason)
	if p := d.Pipeline; p != nil {
		line("pipeline", p.Project+"/"+p.Pipeline+" at "+p.Ref)
		line("its run", strings.TrimSpace(strings.Join([]string{p.Name, p.Run, p.URL}, " ")))
		line("its result", p.Result)
	}
	if d.Network != nil {
		line("may reach", strings.Join(d.Network.Hosts, ", "))
		for _, h := range d.Network.Used {
			line("reached", fmt.Sprintf("%s, %d times, %d bytes", h.Host, h.Connections, h.Bytes))
		}
		for _, r := range d.Network.Refused {
			line("was refused", fmt.Sprintf("%s, %d times: %s", r.What, r.Count, r.Why))
		}
	}
	for _, a := range d.Approvers {
		line("approved by", strings.TrimSpace(who(a.User)+" "+a.ReviewURL))
	}
	line("pull request", d.PullRequestURL)
	line("task", d.Task)
	line("approval", d.Approval)
	line("profile version", d.ProfileVersion)
	line("created", d.CreatedAt.UTC().Format(time.RFC3339))
	line("started", shown(d.StartedAt))
	line("finished", shown(d.FinishedAt))
}

var coversInWords = map[string]string{
	"landed": "the commit that the approval made", "merge": "the merge of the commit that the approval made",
}

var triggerInWords = map[string]string{
	"review": "a directive in the approving review", "onApproval": "every approval of the environment",
	"onMerge": "the merge", "request": "a request",
}

func who(u client.User) string {
	if u.Login == "" {
		return u.Subject
	}
	return fmt.Sprintf("%s (%s)", u.Login, u.Subject)
}

func drawProfiles(t *table, list []client.Profile) {
	t.row("PROFILE", "PARAMETER", "TYPE", "DEFAULT", "ABOUT")
	for _, p := range list {
		t.row(p.Environment+"/"+p.Name, "", "", "", p.Description)
		for _, parameter := range p.Parameters {
			t.row("", parameter.Name, parameterType(parameter), parameterDefault(parameter), parameter.Description)
		}
	}
}

func parameterType(p client.Parameter) string {
	switch {
	case len(p.Options) > 0:
		return strings.Join(p.Options, " | ")
	case p.Pattern != "":
		return p.Type + " like " + p.Pattern
	}
	return p.Type
}

func parameterDefault(p client.Parameter) string {
	if p.Required {
		return "required"
	}
	return dash(p.Default)
}
