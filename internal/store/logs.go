package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

type streamRow struct {
	bun.BaseModel `bun:"table:log_streams,alias:s"`

	Stream string `bun:",pk"`
	Size   int64
}

type chunkRow struct {
	bun.BaseModel `bun:"table:log_chunks,alias:l"`

	Stream    string `bun:",pk"`
	FirstByte int64  `bun:",pk"`
	Data      []byte
}

// LogGapError is output that does not continue what is stored.
type LogGapError struct {
	Stream       string
	Size, Offset int64
}

// Error implements error.
func (e *LogGapError) Error() string {
	return fmt.Sprintf("log %s has %d bytes, so nothing can be added at %d", e.Stream, e.Size, e.Offset)
}

// AppendLog adds output of a container. offset is where data belongs in the
// stream: bytes that are stored already are left out, so that a reader that
// starts again adds nothing twice; bytes beyond the end fail with *LogGapError.
func (s *Store) AppendLog(ctx context.Context, stream string, offset int64, data []byte) error {
	err := s.InTx(ctx, func(t *Tx) error {
		size, err := t.lockStream(ctx, stream)
		if err != nil {
			return err
		}
		if offset < 0 || offset > size {
			return &LogGapError{Stream: stream, Size: size, Offset: offset}
		}
		known := size - offset
		if known >= int64(len(data)) {
			return nil
		}
		return t.appendChunk(ctx, &chunkRow{Stream: text(stream), FirstByte: size, Data: data[known:]})
	})
	if err != nil {
		return fmt.Errorf("append to log %s: %w", stream, err)
	}
	return nil
}

// AddLog adds data at the end of a stream that has one writer at a time. Where
// the stream would have more than limit bytes, instead goes in, which should be
// short; once it has so many, nothing does.
func (s *Store) AddLog(ctx context.Context, stream string, data, instead []byte, limit int64) error {
	err := s.InTx(ctx, func(t *Tx) error {
		size, err := t.lockStream(ctx, stream)
		if err != nil || size >= limit {
			return err
		}
		if size+int64(len(data)) > limit {
			data = instead
		}
		return t.appendChunk(ctx, &chunkRow{Stream: text(stream), FirstByte: size, Data: data})
	})
	if err != nil {
		return fmt.Errorf("add to log %s: %w", stream, err)
	}
	return nil
}

// lockStream makes the transaction the only one to write the stream and
// returns its size.
func (t *Tx) lockStream(ctx context.Context, stream string) (int64, error) {
	_, err := t.exec(ctx, t.tx.NewInsert().Model(&streamRow{Stream: text(stream)}).
		On("CONFLICT (stream) DO NOTHING").Returning("NULL"))
	if err != nil {
		return 0, err
	}
	var size int64
	err = t.scan(ctx, t.tx.NewRaw("UPDATE log_streams SET size = size WHERE stream = ? RETURNING size", text(stream)), &size)
	return size, err
}

var insertChunkSQL = map[queue.Dialect]string{
	queue.SQLite:   "INSERT INTO log_chunks (stream, first_byte, data) VALUES (?, ?, ?)",
	queue.Postgres: "INSERT INTO log_chunks (stream, first_byte, data) VALUES ($1, $2, $3)",
}

func (t *Tx) appendChunk(ctx context.Context, chunk *chunkRow) error {
	if err := t.bind(ctx, insertChunkSQL, chunk.Stream, chunk.FirstByte, chunk.Data); err != nil {
		return err
	}
	_, err := t.exec(ctx, t.tx.NewUpdate().Model((*streamRow)(nil)).
		Set("size = ?", chunk.FirstByte+int64(len(chunk.Data))).Where("stream = ?", chunk.Stream))
	return err
}

// LogSize is how many bytes of a stream are stored; 0 for an unknown one.
func (s *Store) LogSize(ctx context.Context, stream string) (int64, error) {
	var row streamRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("stream = ?", text(stream)))
	if errors.Is(err, task.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the size of log %s: %w", stream, err)
	}
	return row.Size, nil
}

// ReadLog returns up to limit bytes of a stream, beginning at byte from. It
// returns nothing at the end of what is stored.
func (s *Store) ReadLog(ctx context.Context, stream string, from int64, limit int) ([]byte, error) {
	var data []byte
	from = max(from, 0)
	for len(data) < limit {
		chunk, err := s.chunkAt(ctx, stream, from+int64(len(data)))
		if err != nil {
			return nil, fmt.Errorf("read log %s: %w", stream, err)
		}
		if len(chunk) == 0 {
			break
		}
		data = append(data, chunk[:min(len(chunk), limit-len(data))]...)
	}
	return data, nil
}

// chunkAt returns the stored bytes from position on, to the end of the chunk
// that holds it.
func (s *Store) chunkAt(ctx context.Context, stream string, position int64) ([]byte, error) {
	var row chunkRow
	err := s.fetch(ctx, s.read.NewSelect().Model(&row).Where("stream = ?", text(stream)).
		Where("first_byte <= ?", position).Order("first_byte DESC").Limit(1))
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.Data[min(int64(len(row.Data)), position-row.FirstByte):], nil
}
