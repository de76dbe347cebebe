package engine

import (
	"context"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/freeze"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// Delivery is a verified webhook delivery as the inbox keeps it.
type Delivery = forge.Delivery

// Reader is what the steps read. Every method returns task.ErrNotFound for an
// object that is not there.
type Reader interface {
	TaskReader
	VariantReader
	Delivery(ctx context.Context, id string) (Delivery, error)
	// UnhandledDeliveries lists accepted deliveries older than age that no job finished.
	UnhandledDeliveries(ctx context.Context, age time.Duration) ([]string, error)
	Approval(ctx context.Context, id string) (approval.Record, error)
	DeployReader
	NodeReader
	// TaskLog is what the audit log says about a task, oldest first.
	TaskLog(ctx context.Context, id task.ID) ([]audit.Entry, error)
	// Examinations are all of a task's, of every revision, oldest first.
	Examinations(ctx context.Context, id task.ID) ([]task.Examination, error)
	Examination(ctx context.Context, id string) (task.Examination, error)
	// Measured is what calibration found of a judge as it is defined.
	Measured(ctx context.Context, environment, name, definition string) (judge.Measured, error)
	// OpenExaminations are those of all tasks that have not ended, oldest first.
	OpenExaminations(ctx context.Context) ([]task.Examination, error)
	// Owner is the task of a task's, a deployment run's or an examination's id.
	Owner(ctx context.Context, id string) (task.Task, error)
	// EndedWithLogs lists tasks that ended before the time and whose output is still stored.
	EndedWithLogs(ctx context.Context, before time.Time, limit int64) ([]task.Task, error)
	ModelReader
	EvidenceReader
	FreezeReader
	// FreezesSince are those that cover the environments and were in force since then, lifted or not.
	FreezesSince(ctx context.Context, since time.Time, environments ...string) ([]freeze.Freeze, error)
	// Trips lists the canaries that appeared in what belongs to a task, the first first.
	Trips(ctx context.Context, id task.ID) ([]secret.Trip, error)
	// Cursor returns the stored time under a name, or the zero time.
	Cursor(ctx context.Context, name string) (time.Time, error)
	// CursorsOf lists the names that begin with prefix.
	CursorsOf(ctx context.Context, prefix string) ([]string, error)
}

// ModelReader reads what tasks did through the gateway.
type ModelReader interface {
	ModelUsage(ctx context.Context, id task.ID) (task.Usage, error)
	ModelRefusals(ctx context.Context, id task.ID) ([]task.Refusal, error)
	HostUses(ctx context.Context, id task.ID) ([]task.HostUse, error)
	// ContainerUsage is what one container other than a task's own spent: a deployment's, an
	// examination's.
	ContainerUsage(ctx context.Context, id string) (task.Usage, error)
	// Reached is what a deployment talked to, and what it was refused.
	Reached(ctx context.Context, run string) ([]task.HostUse, []task.Refusal, error)
}

// TaskReader reads tasks and their proposals.
type TaskReader interface {
	Task(ctx context.Context, id task.ID) (task.Task, error)
	// OpenTasks lists, oldest first, tasks whose state is not an end and tasks
	// whose end was not yet reported (task.Reported differs from the state).
	OpenTasks(ctx context.Context) ([]task.Task, error)
	// LatestTask is the newest task of an issue, or the task of a pull request.
	LatestTask(ctx context.Context, repo forge.RepositoryRef, topic forge.Topic) (task.Task, error)
	// Proposal is the newest revision of the task's proposal that was not dropped.
	Proposal(ctx context.Context, id task.ID) (task.Proposal, error)
	PackReader
	RevisionReader
}

// PackReader reads what proposals are made of.
type PackReader interface {
	// Pack is the pack of a proposal's objects, to be read once; task.ErrNotFound if none is kept.
	Pack(ctx context.Context, id task.ID, revision int) (io.Reader, error)
	// ProposalsWithoutPack lists, by task, the revisions of which none is kept, where it can be of use.
	ProposalsWithoutPack(ctx context.Context) (map[task.ID][]int, error)
	// KeptUnder lists the approvals that made the commit to be kept.
	KeptUnder(ctx context.Context, commit string) ([]approval.Record, error)
}

// Tx is one transaction: what is written here becomes visible together, with
// the audit entries and the jobs, or not at all.
type Tx interface {
	// InsertDeliveries reports of each whether it is new; of one whose id is known, nothing is stored.
	InsertDeliveries(ctx context.Context, all []Delivery) (fresh []bool, err error)
	FinishDeliveries(ctx context.Context, ids []string, outcome string) error
	// InsertTask reports false, and stores nothing, if the trigger key is known.
	InsertTask(ctx context.Context, t task.Task) (fresh bool, err error)
	// SaveTask writes t if the stored epoch is still t.Epoch and, where the state
	// differs, the transition is in task.Transitions; then it raises t.Epoch.
	// It fails with task.ErrStale if somebody else wrote in between.
	SaveTask(ctx context.Context, t *task.Task) error
	// RequestCancel marks the task, whoever holds it. SaveTask never clears the mark.
	RequestCancel(ctx context.Context, id task.ID) error
	VariantTx
	// InsertProposal stores a revision once; storing it again is no error if the digest is the same.
	InsertProposal(ctx context.Context, p task.Proposal) error
	// InsertPack keeps the pack of a proposal's objects; the first one stands.
	InsertPack(ctx context.Context, id task.ID, revision int, pack []byte) error
	SetCarrier(ctx context.Context, id task.ID, revision int, commit string) error
	RevisionTx
	// InsertApproval stores an approval once by its id. (A revision can have
	// several over time: one that became void, and a new one. That only one is in
	// force is the task's: its state, epoch and ApprovalID.)
	InsertApproval(ctx context.Context, r approval.Record) (fresh bool, err error)
	// InsertExamination reports false, and stores nothing, if the attempt is known.
	InsertExamination(ctx context.Context, x task.Examination) (fresh bool, err error)
	// SaveExamination writes its progress, which only goes forward: it fails with a
	// *task.ExaminationStateError otherwise. What is examined stays as it was asked for.
	SaveExamination(ctx context.Context, x task.Examination) error
	SetMeasured(ctx context.Context, m judge.Measured) error
	DeployTx
	NodeTx
	EvidenceTx
	// FreezesInForce are those in force, as the transaction sees them.
	FreezesInForce(ctx context.Context) (freeze.Set, error)
	SetCursor(ctx context.Context, name string, at time.Time) error
	// InsertCursor reports false, and stores nothing, if the name is known.
	InsertCursor(ctx context.Context, name string, at time.Time) (fresh bool, err error)
	// DropCursor forgets a name.
	DropCursor(ctx context.Context, name string) error
	// InsertTrip reports false, and stores nothing, if the canary is known to have
	// appeared at this place of the container.
	InsertTrip(ctx context.Context, trip secret.Trip) (fresh bool, err error)
	// RemoveLogs removes the stored output of a task and its deployments.
	RemoveLogs(ctx context.Context, id task.ID) error
	Audit(ctx context.Context, e audit.Entry) error
	Enqueue(ctx context.Context, j queue.Job) error
}

// Store is the database as the engine sees it.
type Store interface {
	Reader
	// InTx runs f in one transaction. f must use only the Tx for the database and
	// must not wait for anything else.
	InTx(ctx context.Context, f func(Tx) error) error
	// Lease makes owner the only one to work on the task until the returned
	// context's lease is released. It raises the epoch, so that a former owner's
	// writes fail with task.ErrStale. It fails with task.ErrLeased if somebody else
	// holds it.
	Lease(ctx context.Context, id task.ID, owner string, ttl time.Duration) (task.Task, error)
	Renew(ctx context.Context, id task.ID, owner string, ttl time.Duration) error
	Release(ctx context.Context, id task.ID, owner string) error
	// Beat is a sign of life of a node; it returns what stood of it before, or fails with
	// task.ErrNotFound for a new one.
	Beat(ctx context.Context, n node.Node) (before node.Node, err error)
	// AppendLog adds output of a container. offset makes it idempotent: bytes up
	// to it are already stored.
	AppendLog(ctx context.Context, stream string, offset int64, data []byte) error
	LogSize(ctx context.Context, stream string) (int64, error)
	// ReadLog returns at most limit bytes from the offset on.
	ReadLog(ctx context.Context, stream string, from int64, limit int) ([]byte, error)
}
