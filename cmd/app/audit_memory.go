package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/coderflow/coderflow/internal/store"
)

// auditPublishedFile is in the data directory.
const auditPublishedFile = "audit.published"

// branchMemory is where the branch of checkpoints was, in the database and beside it:
// whoever changes the one does not change the other.
type branchMemory struct {
	db   *store.Store
	path string
}

// publishedFile is the form of the file.
type publishedFile struct {
	Repository string `json:"repository"`
	Branch     string `json:"branch"`
	Head       string `json:"head"`
	Size       int64  `json:"size"`
	Note       string `json:"note"`
}

// recall is what is known of a branch, the newest last; nothing if nothing was published
// there.
func (m branchMemory) recall(ctx context.Context, repositoryKey, branch string) (known []store.Published, err error) {
	text, err := os.ReadFile(m.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read where the published checkpoints were: %w", err)
	}
	if err == nil {
		var f publishedFile
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, fmt.Errorf("%s: %w; somebody changed it", m.path, err)
		}
		if f.Repository == repositoryKey && f.Branch == branch { // the configuration may name another one now
			known = append(known, store.Published{Repository: f.Repository, Branch: f.Branch, Head: f.Head, Size: f.Size, Note: []byte(f.Note)})
		}
	}
	stored, err := m.db.LastPublished(ctx, repositoryKey, branch)
	if err != nil || stored.Head == "" {
		return known, err
	}
	if len(known) > 0 && known[0].Size > stored.Size {
		return append([]store.Published{stored}, known...), nil
	}
	return append(known, stored), nil
}

// keep notes where a branch is that leads on from all that is known of it.
func (m branchMemory) keep(ctx context.Context, p store.Published) error {
	if err := m.db.InTx(ctx, func(tx *store.Tx) error { return tx.SavePublished(ctx, p) }); err != nil {
		return err
	}
	text, err := json.Marshal(publishedFile{p.Repository, p.Branch, p.Head, p.Size, string(p.Note)})
	if err != nil {
		return err
	}
	if before, err := os.ReadFile(m.path); err == nil && bytes.Equal(before, text) {
		return nil
	}
	if err := replaceDurably(m.path, text); err != nil {
		return fmt.Errorf("keep where the published checkpoints are: %w", err)
	}
	return nil
}

// heads are the commits of what is known.
func heads(known []store.Published) (commits []string) {
	for _, p := range known {
		commits = append(commits, p.Head)
	}
	return commits
}
