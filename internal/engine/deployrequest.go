package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// DeployRequest is somebody's wish to deploy a commit that an approval covers.
type DeployRequest struct {
	// By is who asks, as they were authenticated.
	By forge.User
	// May says what the credential by which they ask leaves of deployments:execute
	// in an environment; nil: all of it.
	May                  func(environment string) policy.Reason
	Environment, Profile string
	// Repository is "owner/name". Empty: the commit must be covered in exactly one.
	Repository string
	Commit     string // full id
	Parameters map[string]string
	Reason     string // what it is for, one line
	Key        string // of the requester: the same one asks for the same run
}

// maxOpenRuns bounds how many runs of an environment can wait.
const maxOpenRuns = 100

// RequestDeployment records a run that somebody asked for, if they may, and if an
// approval covers the commit now. The run begins at its turn, after everything was
// looked at once more. The same key of the same requester returns the first run.
//
// It fails with a *deploy.RequestError; each refusal is audited with its reasons.
func (e *Engine) RequestDeployment(ctx context.Context, r DeployRequest) (deploy.Run, error) {
	if r.Key == "" {
		r.Key = rand.Text()
	}
	q := &deployRequest{DeployRequest: r, e: e}
	run, err := q.follow(ctx)
	var refused *deploy.RequestError
	if !errors.As(err, &refused) {
		return run, err
	}
	if err := q.auditRefusal(ctx, refused); err != nil {
		return deploy.Run{}, errors.Join(err, refused)
	}
	return deploy.Run{}, refused
}

// deployRequest is one request on its way.
type deployRequest struct {
	DeployRequest
	e     *Engine
	set   *manifest.Set
	rules *policy.Policy
	// why is the tree of reasons of a refusal, for the audit log.
	why *policy.Reason
	// known tells that the environment is one that the requester may know of.
	known bool
}

func refuse(kind deploy.RequestKind, format string, args ...any) error {
	return &deploy.RequestError{Kind: kind, Problem: fmt.Sprintf(format, args...)}
}

func (q *deployRequest) follow(ctx context.Context) (deploy.Run, error) {
	var err error
	if q.set, err = q.e.Manifests.Manifests(ctx); err != nil {
		return deploy.Run{}, fmt.Errorf("read the manifests: %w", err)
	}
	q.rules = q.set.Policy(q.e.Admins...)
	if err := q.permitted(); err != nil {
		return deploy.Run{}, err
	}
	if err := q.wellFormed(); err != nil {
		return deploy.Run{}, err
	}
	if run, found, err := q.asked(ctx); err != nil || found {
		return run, err
	}
	if err := refusedByFreeze(q.e.Freezes.Unfrozen(ctx, q.Environment)); err != nil {
		return deploy.Run{}, err
	}
	profile, parameters, err := q.profile()
	if err != nil {
		return deploy.Run{}, err
	}
	t, covers, err := q.covering(ctx)
	if err != nil {
		return deploy.Run{}, err
	}
	record, err := q.e.Store.Approval(ctx, t.ApprovalID)
	if err != nil {
		return deploy.Run{}, fmt.Errorf("read approval %s: %w", t.ApprovalID, err)
	}
	run := deploy.Run{
		ID: deploy.RequestID(q.By.Subject, q.Key), Task: t.ID, ApprovalID: record.ID, Environment: q.Environment,
		Profile: q.Profile, ProfileVersion: profile.Digest(), Script: profile.Script, Parameters: parameters,
		Trigger: deploy.ByRequest, RequestedBy: q.By, Reason: q.Reason, Key: q.Key, Covers: covers, ArmedAs: -1,
		Concurrency: profile.Concurrency, Repository: t.Repository, Commit: q.Commit, ArmedBy: record.Approver,
		State: deploy.Pending, CreatedAt: q.e.Now().UTC(),
	}
	return q.store(ctx, run)
}

// permitted tells whether who asks may deploy into the environment at all. Whoever
// may not even see its deployments does not learn that it exists.
func (q *deployRequest) permitted() error {
	view := q.rules.Holds(q.By, policy.DeploymentsView, q.Environment)
	may := q.rules.Holds(q.By, policy.DeploymentsExecute, q.Environment)
	_, exists := q.set.Environments[q.Environment]
	if !exists || !view.OK && !may.OK {
		q.why = &may
		return refuse(deploy.NotFound, "there is no environment %q that you may deploy into", cutShort(q.Environment))
	}
	q.known = true
	if may.OK && q.May != nil {
		may = policy.All("you may deploy", may, q.May(q.Environment))
	}
	if !may.OK {
		q.why = &may
		return refuse(deploy.Forbidden, "you may not deploy into %s: %s", q.Environment, strings.Join(may.Refusals(), "; "))
	}
	return nil
}

func (q *deployRequest) wellFormed() error {
	invisible := func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}
	switch {
	case q.By.Subject.IsZero():
		return refuse(deploy.Forbidden, "it is not known who asks")
	case !deploy.ValidCommit(q.Commit):
		return refuse(deploy.Invalid, "want the full id of a commit, 40 or 64 lower-case hexadecimal digits, not %q; `git rev-parse HEAD` prints it", cutShort(q.Commit))
	case !deploy.ValidKey(q.Key):
		return refuse(deploy.Invalid, "want a key of 8 to 64 letters, digits, dots, hyphens and underscores, not %q", cutShort(q.Key))
	case len(q.Reason) > deploy.MaxReason || !utf8.ValidString(q.Reason) || strings.ContainsFunc(q.Reason, invisible):
		return refuse(deploy.Invalid, "the reason has to be one line of at most %d bytes without control characters", deploy.MaxReason)
	case len(q.Parameters) > deploy.MaxParameters:
		return refuse(deploy.Invalid, "there are more than %d parameters", deploy.MaxParameters)
	}
	return nil
}

// asked finds the run that the same request made before.
func (q *deployRequest) asked(ctx context.Context) (deploy.Run, bool, error) {
	run, err := q.e.Store.Deployment(ctx, deploy.RequestID(q.By.Subject, q.Key))
	if errors.Is(err, task.ErrNotFound) {
		return run, false, nil
	}
	if err != nil {
		return run, false, err
	}
	same := run.RequestedBy.Subject == q.By.Subject && run.Key == q.Key && run.Environment == q.Environment &&
		run.Profile == q.Profile && run.Commit == q.Commit && run.Reason == q.Reason && q.sameParameters(run) &&
		(q.Repository == "" || strings.EqualFold(run.Repository.FullName(), q.Repository))
	if !same {
		return deploy.Run{}, false, refuse(deploy.Conflict, "you used the key %s before, for another deployment; use another key", q.Key)
	}
	return run, true, nil
}

// sameParameters compares what was given with what a run was completed with: each
// value that was given, and nothing else but defaults.
func (q *deployRequest) sameParameters(run deploy.Run) bool {
	if profile, known := q.set.Profile(q.Environment, q.Profile); known && profile.Digest() == run.ProfileVersion {
		complete, err := profile.Validate(q.Parameters)
		return err == nil && maps.Equal(complete, run.Parameters)
	}
	for name, value := range q.Parameters { // the profile was changed since
		if run.Parameters[name] != value {
			return false
		}
	}
	return true
}

func (q *deployRequest) profile() (deploy.Profile, map[string]string, error) {
	profile, known := q.set.Profile(q.Environment, q.Profile)
	if !known {
		return profile, nil, refuse(deploy.NotFound, "environment %s has no deployment profile %q", q.Environment, cutShort(q.Profile))
	}
	if err := q.e.Deployer.Runs(profile); err != nil {
		return profile, nil, refuse(deploy.Conflict, "%v; an administrator of the server adds it, or gives the profile a script", err)
	}
	parameters, err := profile.Validate(q.Parameters)
	if err != nil {
		return profile, nil, refuse(deploy.Invalid, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return profile, parameters, nil
}

// store asks the gate and records the run. What the gate said is evidence here: it is
// asked again before the container is made, and before it starts.
func (q *deployRequest) store(ctx context.Context, run deploy.Run) (deploy.Run, error) {
	grant, err := q.e.Gate.RedeemDeployment(ctx, run.ApprovalID, run.Deployment())
	if refused := (*approval.RefusedError)(nil); errors.As(err, &refused) {
		q.why = &refused.Decision.Reason
		return run, refuse(deploy.Conflict, "the gate refuses to deploy commit %.12s into %s: %s", run.Commit, run.Environment,
			strings.Join(refused.Decision.Reason.Refusals(), "; "))
	}
	if f, _ := frozenOnly(err); f.ID != "" { // the approval's own environment, or meanwhile
		return run, refusedByFreeze(err)
	}
	if err != nil {
		return run, fmt.Errorf("ask the gate about approval %s: %w", run.ApprovalID, err)
	}
	waiting, err := q.e.Store.OpenRuns(ctx, run.Environment)
	if err != nil {
		return run, err
	}
	if waiting >= maxOpenRuns {
		return run, refuse(deploy.Conflict, "%d deployments of environment %s wait already; try again when some of them have ended", waiting, run.Environment)
	}
	decision, fresh := grant.Decision(), false
	err = q.e.Store.InTx(ctx, func(tx Tx) error {
		if fresh, err = tx.InsertRun(ctx, run); err != nil || !fresh {
			return err
		}
		if err := q.e.auditRun(ctx, tx, &run, q.By.Subject.String(), audit.DeployRequested, &decision); err != nil {
			return err
		}
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(run.Task)})
	})
	if err != nil {
		return run, fmt.Errorf("record deployment %s: %w", run.ID, err)
	}
	if fresh {
		q.e.Failpoint(DeploymentRequested)
		return run, nil
	}
	// Another request with the same key was faster, or was long ago.
	first, found, err := q.asked(ctx)
	if err == nil && !found {
		err = refuse(deploy.Conflict, "you used the key %s before, for a deployment whose record is not kept any more; use another key", q.Key)
	}
	return first, err
}

// auditRefusal writes down who wanted what, and why not.
func (q *deployRequest) auditRefusal(ctx context.Context, refused *deploy.RequestError) error {
	detail := map[string]any{
		"environment": cutShort(q.Environment), "profile": cutShort(q.Profile), "repository": cutShort(q.Repository),
		"commit": cutShort(q.Commit), "kind": refused.Kind, "problem": refused.Problem,
	}
	if q.why != nil {
		detail["reason"] = q.why
	}
	entry, err := audit.New(q.e.Now(), q.By.Subject.String(), audit.DeployRefused, detail)
	if err != nil {
		return err
	}
	if q.known {
		entry.Environment = q.Environment
	}
	return q.e.Store.InTx(ctx, func(tx Tx) error { return tx.Audit(ctx, entry) })
}

// cutShort bounds a text that a requester chose, for a message.
func cutShort(s string) string {
	const most = 100
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
