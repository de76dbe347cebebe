package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

type packRow struct {
	bun.BaseModel `bun:"table:proposal_packs,alias:k"`

	Task      string `bun:",pk"`
	Revision  int    `bun:",pk"`
	Size      int64
	SHA256    string `bun:"sha256"`
	CreatedAt instant
}

type packChunkRow struct {
	bun.BaseModel `bun:"table:proposal_pack_chunks,alias:c"`

	Task      string `bun:",pk"`
	Revision  int    `bun:",pk"`
	FirstByte int64  `bun:",pk"`
	Data      []byte
}

// packPiece is how much of a pack is in one row, in bytes.
const packPiece = 1 << 20

var insertPackChunkSQL = map[queue.Dialect]string{
	queue.SQLite:   "INSERT INTO proposal_pack_chunks (task, revision, first_byte, data) VALUES (?, ?, ?, ?)",
	queue.Postgres: "INSERT INTO proposal_pack_chunks (task, revision, first_byte, data) VALUES ($1, $2, $3, $4)",
}

// InsertPack keeps the pack of a proposal's objects. The first one stands: git need not
// make the same bytes of the same objects again.
func (t *Tx) InsertPack(ctx context.Context, id task.ID, revision int, pack []byte) error {
	sum := sha256.Sum256(pack)
	row := &packRow{
		Task: text(string(id)), Revision: revision, Size: int64(len(pack)), SHA256: hex.EncodeToString(sum[:]), CreatedAt: at(t.now()),
	}
	n, err := t.exec(ctx, t.tx.NewInsert().Model(row).On("CONFLICT (task, revision) DO NOTHING").Returning("NULL"))
	if err == nil && n > 0 {
		first := int64(0)
		for piece := range slices.Chunk(pack, packPiece) {
			if err = t.bind(ctx, insertPackChunkSQL, row.Task, revision, first, piece); err != nil {
				break
			}
			first += int64(len(piece))
		}
	}
	if err != nil {
		return fmt.Errorf("keep the objects of revision %d of task %s: %w", revision, id, err)
	}
	return nil
}

// ErrPackDamaged is a pack that is not what was kept.
var ErrPackDamaged = errors.New("the stored pack is not what was kept")

// Pack reads the pack of a proposal's objects, piece by piece; task.ErrNotFound if none is
// kept. Reading fails with ErrPackDamaged instead of io.EOF if it was not all of it.
func (s *Store) Pack(ctx context.Context, id task.ID, revision int) (io.Reader, error) {
	var row packRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("task = ?", text(string(id))).Where("revision = ?", revision))
	if err != nil {
		return nil, fmt.Errorf("read the objects of revision %d of task %s: %w", revision, id, err)
	}
	pieces := &packReader{of: row, sum: sha256.New()}
	pieces.next = func(from int64) ([]byte, error) { return s.packPiece(ctx, row, from) }
	return pieces, nil
}

func (s *Store) packPiece(ctx context.Context, of packRow, from int64) ([]byte, error) {
	var row packChunkRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("task = ?", of.Task).Where("revision = ?", of.Revision).Where("first_byte = ?", from))
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil
	}
	return row.Data, err
}

// packReader reads a pack. It is good for as long as the context that it was made with.
type packReader struct {
	of   packRow
	next func(from int64) ([]byte, error)
	have bytes.Reader
	read int64 // bytes that were fetched
	sum  hash.Hash
}

// Read implements io.Reader.
func (r *packReader) Read(p []byte) (int, error) {
	for r.have.Len() == 0 {
		data, err := r.next(r.read)
		if err != nil {
			return 0, fmt.Errorf("read the objects of revision %d of task %s: %w", r.of.Revision, r.of.Task, err)
		}
		if len(data) == 0 {
			return 0, r.end()
		}
		r.read += int64(len(data))
		r.sum.Write(data)
		r.have.Reset(data)
	}
	return r.have.Read(p)
}

func (r *packReader) end() error {
	if r.read == r.of.Size && hex.EncodeToString(r.sum.Sum(nil)) == r.of.SHA256 {
		return io.EOF
	}
	return fmt.Errorf("revision %d of task %s: %w", r.of.Revision, r.of.Task, ErrPackDamaged)
}

// ProposalsWithoutPack lists, by task, the revisions whose objects are only in a mirror: of
// tasks that can still go on or be deployed. There are none that were recorded since packs
// are kept.
func (s *Store) ProposalsWithoutPack(ctx context.Context) (map[task.ID][]int, error) {
	var over []task.State
	for _, state := range task.States() {
		if state.Ended() && !state.HasLanded() {
			over = append(over, state)
		}
	}
	var rows []proposalRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&rows).Column("task", "revision").
		Where("NOT EXISTS (SELECT 1 FROM proposal_packs AS k WHERE k.task = p.task AND k.revision = p.revision)").
		Where("EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = p.task AND t.state NOT IN (?))", bun.List(over)).
		Order("task", "revision"))
	if err != nil {
		return nil, fmt.Errorf("list proposals whose objects are not kept: %w", err)
	}
	list := map[task.ID][]int{}
	for _, row := range rows {
		list[task.ID(row.Task)] = append(list[task.ID(row.Task)], row.Revision)
	}
	return list, nil
}
