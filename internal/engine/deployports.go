package engine

import (
	"context"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// DeployReader reads deployments.
type DeployReader interface {
	Deployment(ctx context.Context, id string) (deploy.Run, error)
	DeployRuns(ctx context.Context, id task.ID) ([]deploy.Run, error)
	// Covering lists, newest first, the tasks whose landed commit the commit is, and
	// those whose merge it was once reported to be.
	Covering(ctx context.Context, commit string) (landed, merged []task.Task, err error)
	// Unmerged lists, newest first, tasks of a repository that landed and whose merge was not seen.
	Unmerged(ctx context.Context, repositoryKey string, most int) ([]task.Task, error)
	// TasksToDeploy lists tasks, in whatever state, with runs that can go on or whose end is not shown.
	TasksToDeploy(ctx context.Context) ([]task.ID, error)
	// TasksToMerge lists tasks with runs that wait for the merge.
	TasksToMerge(ctx context.Context) ([]task.ID, error)
	OpenRuns(ctx context.Context, environment string) (int, error)
	// RunsUnderWay lists the runs of all environments that were created and have not ended.
	RunsUnderWay(ctx context.Context) ([]deploy.Run, error)
	// RunEnvironments lists the environments that have runs.
	RunEnvironments(ctx context.Context) ([]string, error)
	// SurplusRuns lists, oldest first, ended runs beyond the newest keep, without the newest success of each profile.
	SurplusRuns(ctx context.Context, environment string, keep, most int) ([]deploy.Run, error)
}

// DeployTx writes deployments.
type DeployTx interface {
	// InsertRun reports false, and stores nothing, if the run's id is known.
	InsertRun(ctx context.Context, r deploy.Run) (fresh bool, err error)
	SaveRun(ctx context.Context, r deploy.Run) error
	// BeginRun writes a pending run that has its turn as created. Of several that try only
	// the first does; the others are told false, and nothing is written.
	BeginRun(ctx context.Context, r deploy.Run) (first bool, err error)
	// StopRun records the order to stop a run that is under way, once.
	StopRun(ctx context.Context, id string, s deploy.Stop) (first bool, err error)
	// RemoveRun removes an ended run and its output; its id stays known.
	RemoveRun(ctx context.Context, r deploy.Run) error
	// SaveMerge remembers which commit the forge reported as the merge of a task's pull request.
	SaveMerge(ctx context.Context, t task.Task, commit string) error
	// Merged gives a run that waited for the merge its commit; false: it does not wait any more.
	Merged(ctx context.Context, id, commit, covers string) (bool, error)
	// ClaimTurn gives a pending run its turn, or says for which run it waits.
	ClaimTurn(ctx context.Context, id string) (deploy.Turn, error)
	// ReleaseTurn puts a pending run that could not be prepared at the end of the queue.
	ReleaseTurn(ctx context.Context, id, why string) error
	// Waiting lists the tasks of runs that wait for their turn in the environment.
	Waiting(ctx context.Context, environment string) ([]task.ID, error)
}
