package store

import (
	"context"
	"fmt"
	"math"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

type proposalRow struct {
	bun.BaseModel `bun:"table:proposals,alias:p"`

	Task      string `bun:",pk"`
	Revision  int    `bun:",pk"`
	Digest    string
	Content   string
	Diff      []byte
	Carrier   string
	CreatedAt instant
	DroppedAt instant
}

// content is the rest of a proposal. Text that git or an agent chose need not
// be UTF-8, which JSON strings would silently replace and so break the digest;
// as []byte it is base64.
type content struct {
	Repository    forge.RepositoryRef
	BaseBranch    []byte
	BaseCommit    string
	Tree          string
	Manifest      []pathChange
	Message       []byte
	PolicyVersion string
	Ignored       int
	Risks         []risk
}

type pathChange struct {
	RawPath []byte
	task.PathChange
}

type risk struct {
	RawPath []byte
	task.Risk
}

func toProposalRow(p task.Proposal) (*proposalRow, error) {
	c := content{
		Repository: p.Repository, BaseBranch: []byte(p.BaseBranch), BaseCommit: p.BaseCommit, Tree: p.Tree,
		Message: []byte(p.Message), PolicyVersion: p.PolicyVersion, Ignored: p.Ignored,
	}
	for _, change := range p.Manifest {
		c.Manifest = append(c.Manifest, pathChange{RawPath: []byte(change.Path), PathChange: change})
	}
	for _, r := range p.Risks {
		c.Risks = append(c.Risks, risk{RawPath: []byte(r.Path), Risk: r})
	}
	var e encoder
	row := &proposalRow{
		Task: text(string(p.Task)), Revision: p.Revision, Digest: text(p.Digest), Content: encode(&e, "the proposal", c),
		Diff:    append([]byte{}, p.Diff...), // never NULL
		Carrier: text(p.Carrier), CreatedAt: at(p.CreatedAt),
	}
	return row, e.err
}

func (r *proposalRow) proposal() (task.Proposal, error) {
	var c content
	var d decoder
	if decode(&d, "proposal", r.Content, &c); d.err != nil {
		return task.Proposal{}, fmt.Errorf("proposal %d of task %s: %w", r.Revision, r.Task, d.err)
	}
	p := task.Proposal{
		Task: task.ID(r.Task), Revision: r.Revision, Repository: c.Repository, BaseBranch: string(c.BaseBranch),
		BaseCommit: c.BaseCommit, Tree: c.Tree, Diff: r.Diff, Message: string(c.Message),
		PolicyVersion: c.PolicyVersion, Digest: r.Digest, Ignored: c.Ignored, Carrier: r.Carrier,
		CreatedAt: r.CreatedAt.Time,
	}
	if len(p.Diff) == 0 {
		p.Diff = nil
	}
	for _, change := range c.Manifest {
		change.Path = string(change.RawPath)
		p.Manifest = append(p.Manifest, change.PathChange)
	}
	for _, r := range c.Risks {
		r.Path = string(r.RawPath)
		p.Risks = append(p.Risks, r.Risk)
	}
	return p, nil
}

// InsertProposal stores a revision once. Storing it again is no error if the
// digest is the same; another digest fails with task.ErrStale. A proposal whose
// content does not have its digest fails with task.ErrDigest.
func (t *Tx) InsertProposal(ctx context.Context, p task.Proposal) error {
	if err := p.Verify(); err != nil {
		return fmt.Errorf("insert proposal %d of task %s: %w", p.Revision, p.Task, err)
	}
	p.CreatedAt = orTime(p.CreatedAt, t.now())
	row, err := toProposalRow(p)
	if err != nil {
		return fmt.Errorf("insert proposal %d of task %s: %w", p.Revision, p.Task, err)
	}
	diff := row.Diff
	row.Diff = []byte{}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (task, revision) DO NOTHING").Returning("NULL"))
	switch {
	case err != nil:
	case n == 0:
		err = t.sameProposal(ctx, row)
	default:
		err = t.bind(ctx, setDiffSQL, diff, row.Task, row.Revision)
	}
	if err != nil {
		return fmt.Errorf("insert proposal %d of task %s: %w", p.Revision, p.Task, err)
	}
	return nil
}

var setDiffSQL = map[queue.Dialect]string{
	queue.SQLite:   "UPDATE proposals SET diff = ? WHERE task = ? AND revision = ?",
	queue.Postgres: "UPDATE proposals SET diff = $1 WHERE task = $2 AND revision = $3",
}

func (t *Tx) sameProposal(ctx context.Context, row *proposalRow) error {
	var stored proposalRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Column("digest").
		Where("task = ?", row.Task).Where("revision = ?", row.Revision))
	if err == nil && stored.Digest != row.Digest {
		err = task.ErrStale
	}
	return err
}

// SetCarrier records the inert commit that the pull request shows. It is set
// once: approvals are compared with it. Another commit fails with task.ErrStale.
func (t *Tx) SetCarrier(ctx context.Context, id task.ID, revision int, commit string) error {
	if commit == "" {
		return fmt.Errorf("set the carrier of proposal %d of task %s: the commit is empty", revision, id)
	}
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*proposalRow)(nil)).Set("carrier = ?", text(commit)).
		Where("task = ?", text(string(id))).Where("revision = ?", revision).
		Where("carrier = '' OR carrier = ?", text(commit)))
	if err == nil && n == 0 {
		err = t.whyNoCarrier(ctx, id, revision)
	}
	if err != nil {
		return fmt.Errorf("set the carrier of proposal %d of task %s: %w", revision, id, err)
	}
	return nil
}

func (t *Tx) whyNoCarrier(ctx context.Context, id task.ID, revision int) error {
	var stored proposalRow
	err := t.scan(ctx, t.tx.NewSelect().Model(&stored).Column("carrier").
		Where("task = ?", text(string(id))).Where("revision = ?", revision))
	if err != nil {
		return err
	}
	return task.ErrStale
}

// DropProposal marks a proposal that could not be published: the one before it is the
// newest again. One that was approved is never dropped; that it was not pushed is the
// caller's to know.
func (t *Tx) DropProposal(ctx context.Context, id task.ID, revision int) error {
	n, err := t.exec(ctx, t.tx.NewUpdate().Model((*proposalRow)(nil)).Set("dropped_at = ?", at(t.now())).
		Where("task = ?", text(string(id))).Where("revision = ?", revision).
		Where("NOT EXISTS (SELECT 1 FROM approvals a WHERE a.task = p.task AND a.revision = p.revision)"))
	if err == nil && n == 0 {
		err = task.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("drop proposal %d of task %s: %w", revision, id, err)
	}
	return nil
}

// Proposal is the newest revision of the task's proposal that was not dropped, or
// task.ErrNotFound. It is returned as stored: whoever acts on it verifies its digest.
func (s *Store) Proposal(ctx context.Context, id task.ID) (task.Proposal, error) {
	return s.ProposalBefore(ctx, id, math.MaxInt32)
}

// ProposalBefore is the newest revision before the numbered one that was not dropped,
// or task.ErrNotFound.
func (s *Store) ProposalBefore(ctx context.Context, id task.ID, number int) (task.Proposal, error) {
	var row proposalRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("task = ?", text(string(id))).Where("dropped_at IS NULL").
		Where("revision < ?", number).Order("revision DESC").Limit(1))
	if err != nil {
		return task.Proposal{}, fmt.Errorf("read the proposal of task %s: %w", id, err)
	}
	return row.proposal()
}

// Proposals lists every revision of the task's proposal, oldest first, dropped ones too.
func (s *Store) Proposals(ctx context.Context, id task.ID) ([]task.Proposal, error) {
	var rows []proposalRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Where("task = ?", text(string(id))).Order("revision"))
	if err != nil {
		return nil, fmt.Errorf("list the proposals of task %s: %w", id, err)
	}
	list := make([]task.Proposal, 0, len(rows))
	for i := range rows {
		p, err := rows[i].proposal()
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}
