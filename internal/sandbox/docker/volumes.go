package docker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Volumes lists this installation's volumes by name.
func (r *Runner) Volumes(caller context.Context) ([]sandbox.VolumeInfo, error) {
	// First: the client reads the API version that it has agreed upon without a lock when it is to filter, and does not
	// agree upon one before.
	used, err := r.mountedVolumes(caller)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.VolumeList(ctx, volume.ListOptions{Filters: r.mine()})
	if err != nil {
		return nil, engineError(caller, "listing volumes", err)
	}
	infos := make([]sandbox.VolumeInfo, 0, len(found.Volumes))
	for _, v := range found.Volumes {
		if kind := v.Labels[labelKind]; v.Labels[labelContainer] != "" || kind == volumeGuest {
			continue // a container's own, or the installation's
		}
		info := r.volumeInfo(v)
		infos = append(infos, info)
		if info.Kind == sandbox.VolumeWorkspace {
			used[r.engineName(info.Base)] = true
			used[r.engineName(changesName(info.Name))], used[r.engineName(workName(info.Name))] = true, true
		}
		if info.CopyOf != "" {
			used[r.engineName(info.CopyOf)] = true
		}
	}
	for i := range infos {
		infos[i].InUse = used[r.engineName(infos[i].Name)]
	}
	slices.SortFunc(infos, func(a, b sandbox.VolumeInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

func (r *Runner) volumeInfo(v *volume.Volume) sandbox.VolumeInfo {
	w := workspaceOf(v.Labels[labelName], *v)
	info := sandbox.VolumeInfo{
		Name: w.name, Kind: sandbox.VolumeKind(v.Labels[labelKind]), Mode: w.mode, Labels: w.labels,
		Repository: w.repository, Commit: w.commit, Base: w.base, CopyOf: w.copyOf,
	}
	// The zero time for what the engine does not say.
	info.CreatedAt, _ = time.Parse(time.RFC3339, v.CreatedAt)
	if mark, ok := r.marker(w.name); ok && mark.Fill == w.fill {
		info.Whole = true
		if info.Kind == sandbox.VolumeBase {
			info.Size, info.LastUsed = mark.Usage, r.lastUsed(w.name)
		}
	}
	return info
}

// mountedVolumes are the engine's names of the volumes that a container has, running or not.
func (r *Runner) mountedVolumes(caller context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	list, err := r.engine.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, engineError(caller, "listing containers", err)
	}
	used := make(map[string]bool)
	for _, c := range list {
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume {
				used[m.Name] = true
			}
		}
	}
	return used, nil
}
