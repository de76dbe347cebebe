package dockertest

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Collected is what a collection says: for each path its kind, and after a colon its content.
type Collected map[string]string

// Describe is a kind, and after a colon the content, if there is any.
func Describe(kind guestproto.Kind, content string) string {
	if content == "" {
		return kind.String()
	}
	return kind.String() + ":" + content
}

// CollectAll reads a workspace to the end.
func (w *World) CollectAll(t testing.TB, volume string, limits guestproto.Limits) (Collected, error) {
	t.Helper()
	all := make(Collected)
	return all, w.collect(t, volume, limits, func(record guestproto.Record) error {
		content, err := io.ReadAll(record.Content)
		all[record.Path] = Describe(record.Kind, string(content))
		return err
	})
}

// Drain reads all changes of a workspace and keeps none.
func (w *World) Drain(t testing.TB, volume string, limits guestproto.Limits) error {
	t.Helper()
	return w.collect(t, volume, limits, func(record guestproto.Record) error {
		_, err := io.Copy(io.Discard, record.Content)
		return err
	})
}

func (w *World) collect(t testing.TB, volume string, limits guestproto.Limits, take func(guestproto.Record) error) error {
	t.Helper()
	collection, err := w.Collect(w.Context(t), sandbox.CollectSpec{
		Volume: volume, Image: Image, Limits: limits,
		Labels: sandbox.Labels{Task: volume, Purpose: "test"},
	})
	if err != nil {
		return err
	}
	for {
		record, err := collection.Next()
		if errors.Is(err, io.EOF) {
			return collection.Close()
		}
		if err != nil {
			return errors.Join(err, collection.Close())
		}
		if err := take(record); err != nil {
			return errors.Join(fmt.Errorf("reading %q: %w", record.Path, err), collection.Close())
		}
	}
}
