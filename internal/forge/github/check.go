package github

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/coderflow/coderflow/internal/forge"
)

// GateName is the name of the gate's check run.
const GateName = forge.GateRun

// maxSummary is GitHub's limit for a check run's summary, in characters; bytes are
// never fewer.
const maxSummary = 65535

// GitHub's limits for annotations: in one request, and of their texts in characters
// (64 KB of a message, of which a character can take four).
const (
	maxAnnotations     = 50
	maxAnnotationTitle = 255
	maxAnnotationText  = 16_000
)

// commitShape is a full object id.
var commitShape = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// SetGate implements [forge.Checks]. The run is found again by name, App and
// external id; what GitHub then says about it has to be what was asked for.
func (a *Adapter) SetGate(ctx context.Context, ref forge.RepositoryRef, check forge.GateCheck) error {
	check.Name = cmp.Or(check.Name, GateName)
	doing := fmt.Sprintf("set %s on %s of %s", check.Name, check.Commit, ref.FullName())
	if !commitShape.MatchString(check.Commit) || check.ExternalID == "" {
		return fmt.Errorf("%s: a commit and a task are needed to find the check run again", doing)
	}
	if check.Name == GateName && check.Status == forge.CheckNeutral {
		return fmt.Errorf("%s: the gate is never neutral: GitHub would merge", doing)
	}
	status, conclusion, err := checkWords(check.Status)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	client, err := a.reader(ctx, ref, opSetGate)
	if err != nil {
		return err
	}
	existing, err := a.findGate(ctx, client, ref, doing, check)
	if err != nil {
		return err
	}
	run := gateRun{status: status, conclusion: conclusion, check: check}
	if existing != nil && run.describes(existing) {
		return nil
	}
	set, err := a.writeGate(ctx, client, ref, run, existing)
	if err != nil {
		return translate(doing, err)
	}
	if set.GetHeadSHA() != check.Commit || set.GetStatus() != status || set.GetConclusion() != conclusion {
		return fmt.Errorf("%s: GitHub answered %s %s on %s, not %s %s", doing,
			set.GetStatus(), set.GetConclusion(), set.GetHeadSHA(), status, conclusion)
	}
	return nil
}

// writeGate creates or updates the run, and updates it until it has all annotations:
// one request takes a part of them, and GitHub adds them to those that are there. How
// many there are is read from its answer, so that a lost answer repeats none.
func (a *Adapter) writeGate(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, run gateRun, existing *gh.CheckRun) (*gh.CheckRun, error) {
	var set *gh.CheckRun
	var err error
	if existing != nil {
		set, _, err = client.Checks.UpdateCheckRun(ctx, ref.Owner, ref.Name, existing.GetID(), run.update(annotationsOf(existing)))
	} else {
		set, _, err = client.Checks.CreateCheckRun(ctx, ref.Owner, ref.Name, run.create())
	}
	for err == nil && annotationsOf(set) < len(run.check.Annotations) {
		had := annotationsOf(set)
		set, _, err = client.Checks.UpdateCheckRun(ctx, ref.Owner, ref.Name, set.GetID(), run.update(had))
		if err == nil && annotationsOf(set) <= had {
			break // it takes no more; what is missing is in the pull request too
		}
	}
	return set, err
}

func annotationsOf(run *gh.CheckRun) int { return run.GetOutput().GetAnnotationsCount() }

func (a *Adapter) findGate(ctx context.Context, client *gh.Client, ref forge.RepositoryRef, doing string,
	check forge.GateCheck) (*gh.CheckRun, error) {
	runs, err := pages(doing, func(page gh.ListOptions) ([]*gh.CheckRun, *gh.Response, error) {
		found, res, err := client.Checks.ListCheckRunsForRef(ctx, ref.Owner, ref.Name, check.Commit, &gh.ListCheckRunsOptions{
			CheckName: gh.String(check.Name), Filter: gh.String("all"), AppID: &a.appID, ListOptions: page,
		})
		if err != nil {
			return nil, res, err
		}
		return found.CheckRuns, res, nil
	})
	if err != nil {
		return nil, err
	}
	var newest *gh.CheckRun
	for _, run := range runs {
		ours := run.GetName() == check.Name && run.GetExternalID() == check.ExternalID &&
			run.GetHeadSHA() == check.Commit && run.GetApp().GetID() == a.appID
		if ours && run.GetID() > newest.GetID() {
			newest = run
		}
	}
	return newest, nil
}

// checkWords are GitHub's status and conclusion for a state.
func checkWords(s forge.CheckStatus) (status, conclusion string, err error) {
	switch s {
	case forge.CheckPending:
		return "in_progress", "", nil
	case forge.CheckActionRequired, forge.CheckSuccess, forge.CheckFailure, forge.CheckCancelled, forge.CheckNeutral:
		return "completed", string(s), nil
	default:
		return "", "", fmt.Errorf("unknown state of a check run %q", s)
	}
}

// gateRun is a wanted check run.
type gateRun struct {
	status, conclusion string
	check              forge.GateCheck
}

func (r gateRun) describes(run *gh.CheckRun) bool {
	return run.GetStatus() == r.status && run.GetConclusion() == r.conclusion &&
		(r.check.DetailsURL == "" || run.GetDetailsURL() == r.check.DetailsURL) &&
		sameText(run.GetOutput().GetTitle(), r.check.Title) && sameText(run.GetOutput().GetSummary(), r.summary()) &&
		annotationsOf(run) >= len(r.check.Annotations)
}

func (r gateRun) summary() string {
	const cut = "\n\n… (cut)"
	if len(r.check.Summary) <= maxSummary {
		return r.check.Summary
	}
	return strings.ToValidUTF8(r.check.Summary[:maxSummary-len(cut)], "") + cut
}

// output has the annotations behind the first had ones, as many as a request takes.
func (r gateRun) output(had int) *gh.CheckRunOutput {
	out := &gh.CheckRunOutput{Title: gh.String(r.check.Title), Summary: gh.String(r.summary())}
	all := r.check.Annotations
	for _, a := range all[min(had, len(all)):min(had+maxAnnotations, len(all))] {
		out.Annotations = append(out.Annotations, &gh.CheckRunAnnotation{
			Path: gh.String(a.Path), StartLine: gh.Int(a.Line), EndLine: gh.Int(a.Line), AnnotationLevel: gh.String(string(a.Level)),
			Title: set(clipRunes(a.Title, maxAnnotationTitle)), Message: gh.String(clipRunes(a.Message, maxAnnotationText)),
		})
	}
	return out
}

func clipRunes(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

func (r gateRun) create() gh.CreateCheckRunOptions {
	return gh.CreateCheckRunOptions{
		Name: r.check.Name, HeadSHA: r.check.Commit, ExternalID: &r.check.ExternalID, DetailsURL: set(r.check.DetailsURL),
		Status: &r.status, Conclusion: set(r.conclusion), Output: r.output(0),
	}
}

func (r gateRun) update(had int) gh.UpdateCheckRunOptions {
	return gh.UpdateCheckRunOptions{
		Name: r.check.Name, ExternalID: &r.check.ExternalID, DetailsURL: set(r.check.DetailsURL),
		Status: &r.status, Conclusion: set(r.conclusion), Output: r.output(had),
	}
}

// set leaves an empty value out of a request.
func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
