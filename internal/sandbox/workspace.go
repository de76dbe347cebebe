package sandbox

import (
	"context"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
)

// Workspace is the volume at /workspace, filled by EnsureWorkspace.
type Workspace struct {
	Volume   string
	ReadOnly bool // for deployments and judges
}

// WorkspaceSpec describes a workspace volume and what it begins with.
type WorkspaceSpec struct {
	Volume     string // deterministic, unique within the installation
	Repository string // the forge's identity of the repository; no two repositories share a cached base
	Commit     string // full object id
	// Bundle writes a git bundle that has Commit with its history to the host path. It is called only when no base
	// of the commit is cached.
	Bundle func(ctx context.Context, path string) error
	Image  string // for the helper container; needs git and /workspace owned by 10001
	Labels Labels
}

// WorkspaceMode is how a workspace lies on its base.
type WorkspaceMode string

// The modes.
const (
	WorkspaceOverlay WorkspaceMode = "overlay" // a layer of its own over the base, whatever the base's size
	WorkspaceCopy    WorkspaceMode = "copy"    // a copy of the base: where the engine cannot mount overlays
)

// CollectSpec describes the reading of a workspace.
type CollectSpec struct {
	Volume string
	Image  string // for the helper container
	Limits guestproto.Limits
	Labels Labels
}

// Collection yields what differs between a base tree and a workspace.
type Collection interface {
	// Next returns io.EOF after the last record; only then is the collection complete.
	Next() (guestproto.Record, error)
	// Close ends the helper container. It must always be called.
	Close() error
}

// VolumeKind says what a volume is for.
type VolumeKind string

// The kinds. Changes and work belong to an overlay workspace, which is removed with them.
const (
	VolumeBase      VolumeKind = "base"
	VolumeWorkspace VolumeKind = "workspace"
	VolumeChanges   VolumeKind = "changes"
	VolumeWork      VolumeKind = "work"
)

// VolumeInfo is what is known about a volume without looking into it.
type VolumeInfo struct {
	Name       string
	Kind       VolumeKind
	Mode       WorkspaceMode // of a workspace
	Labels     Labels
	Repository string
	Commit     string
	Base       string           // name of the base that a workspace lies on
	CopyOf     string           // name of the workspace that this one is a throwaway copy of
	Whole      bool             // it was filled completely
	Size       guestproto.Usage // of a base, when it was filled; zero where it is not known
	CreatedAt  time.Time
	LastUsed   time.Time // of a base: when a workspace was last made of it or removed from it
	InUse      bool      // a container, running or not, or a workspace needs it
}

// EvictPolicy says which cached bases go. Zero values set no bound.
type EvictPolicy struct {
	MaxAge   time.Duration // since the last use
	MaxBytes int64         // of all bases together; the longest unused go first
	Keep     int           // so many of the last used stay, whatever their age and size
}

// Evicted is a base that was removed.
type Evicted struct {
	Name       string
	Repository string
	Commit     string
	Size       guestproto.Usage
	LastUsed   time.Time
	Why        string
}

// Validate reports every field that cannot be used, by name.
func (s WorkspaceSpec) Validate() error {
	var problems fieldErrors
	problems.check(nameRule.MatchString(s.Volume), "volume", "%q must match %s", s.Volume, nameRule)
	problems.check(s.Repository != "" && !strings.Contains(s.Repository, "\x00"), "repository", "must be set")
	problems.check(s.Bundle != nil, "bundle", "must be set")
	problems.check(commitRule.MatchString(s.Commit), "commit", "%q is not a full commit id", s.Commit)
	problems.check(s.Image != "", "image", "must be set")
	return problems.err("workspace spec")
}

// Validate reports every field that cannot be used, by name.
func (s CollectSpec) Validate() error {
	var problems fieldErrors
	problems.check(nameRule.MatchString(s.Volume), "volume", "%q must match %s", s.Volume, nameRule)
	problems.check(s.Image != "", "image", "must be set")
	if err := s.Limits.Validate(); err != nil {
		problems.add(err)
	}
	return problems.err("collect spec")
}

// ValidateVolume reports a volume's name that cannot be used.
func ValidateVolume(field, name string) error {
	var problems fieldErrors
	problems.check(nameRule.MatchString(name), field, "%q must match %s", name, nameRule)
	return problems.err("volume")
}
