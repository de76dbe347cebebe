package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// EvictBases removes cached bases that nothing uses: those that were not used for MaxAge, and as many of the longest
// unused as it takes for all to fit MaxBytes. It returns what it removed, also with an error.
func (r *Runner) EvictBases(ctx context.Context, policy sandbox.EvictPolicy) ([]sandbox.Evicted, error) {
	all, err := r.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	var bases []sandbox.VolumeInfo
	var total int64
	for _, v := range all {
		if v.Kind == sandbox.VolumeBase {
			bases = append(bases, v)
			total += v.Size.Bytes
		}
	}
	slices.SortFunc(bases, func(a, b sandbox.VolumeInfo) int { return b.LastUsed.Compare(a.LastUsed) })
	var evicted []sandbox.Evicted
	for i := len(bases) - 1; i >= max(policy.Keep, 0); i-- {
		why := reasonToEvict(policy, bases[i], total, r.now())
		if why == "" || bases[i].InUse {
			continue
		}
		gone, err := r.evict(ctx, bases[i])
		if err != nil {
			return evicted, err
		}
		if gone {
			total -= bases[i].Size.Bytes
			evicted = append(evicted, sandbox.Evicted{
				Name: bases[i].Name, Repository: bases[i].Repository, Commit: bases[i].Commit, Size: bases[i].Size,
				LastUsed: bases[i].LastUsed, Why: why,
			})
		}
	}
	return evicted, nil
}

func reasonToEvict(policy sandbox.EvictPolicy, base sandbox.VolumeInfo, total int64, now time.Time) string {
	unused := now.Sub(base.LastUsed)
	switch {
	case policy.MaxAge > 0 && unused > policy.MaxAge:
		return fmt.Sprintf("not used for %s", unused.Round(time.Second))
	case policy.MaxBytes > 0 && total > policy.MaxBytes:
		return fmt.Sprintf("all bases take %d bytes, %d are allowed", total, policy.MaxBytes)
	}
	return ""
}

// evict removes one base. It is left alone if somebody has begun to use it since it was looked at.
func (r *Runner) evict(ctx context.Context, base sandbox.VolumeInfo) (bool, error) {
	release, err := r.tryLockBase(base.Name, exclusive)
	if err != nil || release == nil {
		return false, err
	}
	defer release()
	if r.lastUsed(base.Name).After(base.LastUsed) {
		return false, nil
	}
	err = r.dropBase(ctx, base.Name)
	if errors.Is(err, sandbox.ErrInUse) {
		return false, nil
	}
	return err == nil, err
}
