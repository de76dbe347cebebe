package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/sandbox"
	sy "github.com/coderflow/coderflow/internal/strictyaml"
	"github.com/coderflow/coderflow/internal/task"
)

// thing is one container, workspace or base. Its JSON form is for scripts.
type thing struct {
	Kind        string     `json:"kind"` // "container", "workspace", "base", …
	Name        string     `json:"name"`
	State       string     `json:"state,omitempty"` // of a container
	Purpose     string     `json:"purpose,omitempty"`
	Task        string     `json:"task,omitempty"`
	TaskState   task.State `json:"taskState,omitempty"`
	Environment string     `json:"environment,omitempty"`
	Repository  string     `json:"repository,omitempty"`
	Commit      string     `json:"commit,omitempty"`
	Mode        string     `json:"mode,omitempty"`
	Bytes       int64      `json:"bytes,omitempty"` // of a base
	InUse       bool       `json:"inUse,omitempty"`
	CreatedAt   time.Time  `json:"createdAt,omitzero"`
	Kept        keptUntil  `json:"kept,omitzero"`

	retention time.Duration // of its environment
}

// keptUntil says when something is removed and why not before.
type keptUntil struct {
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why"`
}

type sandboxLsCmd struct {
	configFlag
	outputFlag
}

// Run lists what there is.
func (c sandboxLsCmd) Run(ctx context.Context, s streams) error {
	return c.onNode(ctx, func(n node) error {
		things, err := n.things(ctx)
		if err != nil {
			return err
		}
		if done, err := c.encoded(s, things); done {
			return err
		}
		return printThings(s, things)
	})
}

func printThings(s streams, things []thing) error {
	if len(things) == 0 {
		_, err := fmt.Fprintln(s.out, "nothing: no task has run on this node, or its retention ended")
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tTASK\tSTATE\tENVIRONMENT\tSIZE\tCREATED\tKEPT\tNAME")
	for _, t := range things {
		if t.Kind == string(sandbox.VolumeChanges) || t.Kind == string(sandbox.VolumeWork) {
			continue // parts of a workspace, which go with it
		}
		size := ""
		if t.Bytes > 0 {
			size = sizeWords(t.Bytes)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Kind, cmp.Or(t.Task, "-"), cmp.Or(t.State, string(t.TaskState), "-"),
			cmp.Or(t.Environment, "-"), cmp.Or(size, "-"), stamp(t.CreatedAt), t.Kept, t.Name)
	}
	return table.Flush()
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04")
}

// String is the form for people.
func (k keptUntil) String() string {
	if k.Until.IsZero() {
		return k.Why
	}
	return "until " + stamp(k.Until)
}

func sizeWords(bytes int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if bytes >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

// things lists everything of this node, the tasks' first and newest first.
func (n node) things(ctx context.Context) ([]thing, error) {
	set, err := (&rules{store: n.db, admins: n.cfg.Admins, image: n.cfg.Sandbox.Image}).Manifests(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := n.runner.List(ctx)
	if err != nil {
		return nil, err
	}
	volumes, err := n.runner.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	var all []thing
	for _, c := range containers {
		t := thing{Kind: "container", Name: c.Name, State: string(c.State), Purpose: c.Labels.Purpose, CreatedAt: c.StartedAt, InUse: c.State == sandbox.StateRunning}
		if err := n.own(ctx, set, c.Labels.Task, &t); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	for _, v := range volumes {
		t := thing{
			Kind: string(v.Kind), Name: v.Name, Purpose: v.Labels.Purpose, Repository: v.Repository, Commit: v.Commit,
			Mode: string(v.Mode), Bytes: v.Size.Bytes, CreatedAt: v.CreatedAt, InUse: v.InUse,
		}
		if v.Kind == sandbox.VolumeBase {
			t.Kept = n.keptBase(v)
		} else if err := n.own(ctx, set, v.Labels.Task, &t); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortStableFunc(all, func(a, b thing) int {
		return cmp.Or(cmp.Compare(b.Task, a.Task), cmp.Compare(a.Kind, b.Kind), b.CreatedAt.Compare(a.CreatedAt))
	})
	return all, nil
}

func (n node) keptBase(v sandbox.VolumeInfo) keptUntil {
	if v.InUse {
		return keptUntil{Why: "a workspace lies on it"}
	}
	return keptUntil{Until: v.LastUsed.Add(n.cfg.Sandbox.BaseAge), Why: "or until bases take more than " + sy.Size(n.cfg.Sandbox.BaseSize).String()}
}

// own finds the task that a thing belongs to and when its retention ends.
func (n node) own(ctx context.Context, set *manifest.Set, id string, t *thing) error {
	t.Task = id
	owner, err := n.db.Owner(ctx, id)
	if errors.Is(err, task.ErrNotFound) {
		t.Kept = keptUntil{Why: "no task of this database"}
		return nil
	}
	if err != nil {
		return err
	}
	t.Task, t.TaskState, t.Environment = string(owner.ID), owner.State, owner.Environment
	retention := manifest.DefaultRetention()
	if env, ok := set.Environments[owner.Environment]; ok {
		retention = env.Retention
	}
	t.retention = time.Duration(retention.Workspace)
	t.Kept = keptUntil{Why: "its task is open"}
	if owner.State.Ended() {
		t.Kept = keptUntil{Until: owner.UpdatedAt.Add(t.retention), Why: "its environment's retention"}
	}
	return nil
}
