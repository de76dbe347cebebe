package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
	"github.com/coderflow/coderflow/internal/token"
)

// auditFilterFlags select entries of the audit log.
type auditFilterFlags struct {
	Subject     string `placeholder:"HOST:ID" help:"Only what this subject did: github:583231; coderflow for what CoderFlow did by itself."`
	Action      string `placeholder:"NAME,…" help:"Only these actions: approval.recorded, or approval.* for all about approvals."`
	Environment string `placeholder:"NAME" help:"Only entries of this environment."`
	Repository  string `placeholder:"HOST:ID" help:"Only what concerns this repository, by the forge's own id: github:1296269."`
	Task        string `placeholder:"ID" help:"Only entries of this task."`
	Since       string `placeholder:"TIME" help:"From then on: 24h, 7d, 2026-01-31 (UTC) or 2026-01-31T15:04:05Z."`
	Until       string `placeholder:"TIME" help:"Before then, in the same forms."`
	After       int64  `placeholder:"NUMBER" help:"Go on after this entry, in the direction of the list."`
}

var auditActions = regexp.MustCompile(`^[a-z_]{1,40}\.([a-z_]{1,40}|\*)$`)

// filter reads the flags.
func (f auditFilterFlags) filter(now time.Time) (filter client.AuditFilter, err error) {
	filter = client.AuditFilter{
		Task: f.Task, Environment: f.Environment, Subject: f.Subject, Action: f.Action, Repository: f.Repository, After: f.After,
	}
	if f.Task != "" {
		if _, err := task.ParseID(f.Task); err != nil {
			return filter, usage("--task: %w", err)
		}
	}
	if f.Action != "" {
		for name := range strings.SplitSeq(f.Action, ",") {
			if !auditActions.MatchString(name) {
				return filter, usage("--action: want names such as approval.recorded or approval.*, separated by commas")
			}
		}
	}
	if _, err := repositoryOf(f.Repository); err != nil {
		return filter, err
	}
	if f.After < 0 {
		return filter, usage("--after: want the number of an entry")
	}
	if filter.Since, err = timeFlag("--since", f.Since, now); err != nil {
		return filter, err
	}
	filter.Until, err = timeFlag("--until", f.Until, now)
	return filter, err
}

func repositoryOf(key string) (forge.RepositoryRef, error) {
	if key == "" {
		return forge.RepositoryRef{}, nil
	}
	ref, err := forge.ParseSubject(key) // of the same form
	if err != nil {
		return forge.RepositoryRef{}, usage("--repository: want HOST:ID with the repository's own id, for example github:1296269")
	}
	return forge.RepositoryRef{Host: ref.Host, ID: ref.ID}, nil
}

// timeFlag reads a time, a day of UTC, or how long ago.
func timeFlag(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	ago, err := token.ParseLifetime(text)
	if err != nil {
		return time.Time{}, usage("%s: want 24h, 7d, 2026-01-31 or 2026-01-31T15:04:05Z", flag)
	}
	return now.Add(-ago).UTC(), nil
}

type auditListCmd struct {
	whereFlags
	outputFlag
	auditFilterFlags
	Newest bool `help:"The newest entry first."`
	Limit  int  `placeholder:"N" help:"How many at the most; all of them without."`
}

// Help implements kong.HelpProvider.
func (auditListCmd) Help() string {
	return `Oldest entry first. -o json prints one entry a line, -o yaml one a document. At a server these are the entries that you
may see: of the environments where you hold audit:view, or all of them if you hold it on the server.

Examples:

  coderflow audit --environment staging --since 24h
  coderflow audit list --newest --limit 20
  coderflow audit list --subject github:583231 --action approval.*,push.*
  coderflow audit list --repository github:1296269 --since 2026-01-01 --until 2026-02-01
  coderflow audit --task zzp6hr35kqtq -o json`
}

// Run prints entries of the audit log.
func (c auditListCmd) Run(ctx context.Context, s streams) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	if filter.Newest, filter.Limit = c.Newest, c.Limit; c.Limit < 0 {
		return usage("--limit: want a number")
	}
	var last int64
	show := func(e client.AuditEntry) error {
		last = e.Number
		line := fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", e.Number, e.At.UTC().Format(time.RFC3339), e.Actor, e.Action, e.Task, e.Detail)
		return c.printEach(s, e, line)
	}
	more, err := ask(ctx, c.whereFlags, s,
		func(l local) (bool, error) { return l.audit(ctx, filter, show) },
		func(server *client.Client) (bool, error) { return server.Audit(ctx, filter, show) })
	if err == nil && more {
		fmt.Fprintf(s.err, "coderflow: there are more: --after %d\n", last)
	}
	return err
}

func (l local) audit(ctx context.Context, f client.AuditFilter, show func(client.AuditEntry) error) (more bool, err error) {
	shown := 0
	return more, l.eachEntry(ctx, f, func(e audit.Entry) (bool, error) {
		if more = f.Limit > 0 && shown == f.Limit; more {
			return false, nil
		}
		shown++
		return true, show(client.AuditEntry{
			Number: e.Seq, At: e.At.UTC(), Actor: e.Actor, Action: string(e.Action), Task: e.Task, Environment: e.Environment, Detail: e.Detail,
		})
	})
}

// eachEntry hands over what the filter selects, until use says that it is enough.
func (l local) eachEntry(ctx context.Context, f client.AuditFilter, use func(audit.Entry) (more bool, err error)) error {
	repository, err := repositoryOf(f.Repository)
	if err != nil {
		return err
	}
	filter := store.AuditFilter{
		Task: f.Task, Environment: f.Environment, Actor: f.Subject, Repository: repository, Since: f.Since, Until: f.Until,
		AfterSeq: f.After, Newest: f.Newest, Limit: 1000,
	}
	if f.Action != "" {
		filter.Actions = strings.Split(f.Action, ",")
	}
	for {
		entries, err := l.AuditEntries(ctx, filter)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			filter.AfterSeq = e.Seq
			if more, err := use(e); err != nil || !more {
				return err
			}
		}
	}
}
