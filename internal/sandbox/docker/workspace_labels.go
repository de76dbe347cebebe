package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Labels on volumes.
const (
	labelKind       = "dev.coderflow.kind" // sandbox.VolumeKind
	labelMode       = "dev.coderflow.mode" // sandbox.WorkspaceMode, of a workspace
	labelBase       = "dev.coderflow.base"
	labelCopyOf     = "dev.coderflow.copy-of"
	labelRepository = "dev.coderflow.repository"
	labelCommit     = "dev.coderflow.commit"
	labelImage      = "dev.coderflow.image"
)

// changesName and workName are the volumes of an overlay workspace's upper layer and of its kernel's own.
func changesName(volume string) string { return volume + ".changes" }
func workName(volume string) string    { return volume + ".work" }

// Names of the helper containers on a volume.
func checkoutName(volume string) string { return "checkout-" + volume }
func copyName(volume string) string     { return "copy-" + volume }
func ownerName(volume string) string    { return "owner-" + volume }
func collectName(volume string) string  { return "collect-" + volume }
func exportName(volume string) string   { return "export-" + volume }

func helpersOf(volume string) []string {
	return []string{checkoutName(volume), copyName(volume), ownerName(volume), collectName(volume), exportName(volume)}
}

// volumeLabels are those of one of a workspace's volumes.
func (r *Runner) volumeLabels(w workspace, name string, kind sandbox.VolumeKind) map[string]string {
	labels := r.labels(name, w.labels)
	labels[labelKind], labels[labelFill] = string(kind), w.fill
	labels[labelRepository], labels[labelCommit], labels[labelImage] = w.repository, w.commit, w.imageID
	if kind == sandbox.VolumeWorkspace {
		labels[labelMode], labels[labelBase], labels[labelCopyOf] = string(w.mode), w.base, w.copyOf
	}
	return labels
}

// marker says that a volume was filled completely. It lies on the host, where no container reaches it, and names
// the volume by a random label, so that it never speaks for another volume of the same name. The marker of a base
// has the time of its last use as its own.
type marker struct {
	Fill   string           `json:"fill"`
	Commit string           `json:"commit"`
	Usage  guestproto.Usage `json:"usage"` // when it was whole
}

func (r *Runner) markerPath(volume string) string {
	return filepath.Join(r.dataDir, "sandbox", "workspaces", volume+".json")
}

func (r *Runner) marker(volume string) (marker, bool) {
	text, err := os.ReadFile(r.markerPath(volume))
	if err != nil {
		return marker{}, false
	}
	var mark marker
	if err := json.Unmarshal(text, &mark); err != nil {
		return marker{}, false
	}
	return mark, mark.Fill != ""
}

func (r *Runner) writeMarker(volume string, mark marker) error {
	if _, err := r.directory("workspaces"); err != nil {
		return err
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("encoding the mark of volume %s: %w", volume, err)
	}
	if err := writeFile(r.markerPath(volume), text, 0o600); err != nil {
		return fmt.Errorf("marking volume %s as complete: %w", volume, err)
	}
	return nil
}

func (r *Runner) removeMarker(volume string) error {
	if err := os.Remove(r.markerPath(volume)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the mark of volume %s: %w", volume, err)
	}
	return nil
}

// touchBase notes that a base is used now. One that is gone is fine.
func (r *Runner) touchBase(base string) error {
	now := r.now()
	if err := os.Chtimes(r.markerPath(base), now, now); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("noting the use of base %s: %w", base, err)
	}
	return nil
}

func (r *Runner) lastUsed(base string) time.Time {
	info, err := os.Stat(r.markerPath(base))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
