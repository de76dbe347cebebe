package engine

import (
	"slices"

	"github.com/coderflow/coderflow/internal/task"
)

// Failpoint names a place between two effects. The server does nothing there; a test
// kills it there and looks whether the next one goes on as if nothing had happened.
type Failpoint string

// The places, in the order of a task's way. What is said is what happened just before.
const (
	RequestAnswered      Failpoint = "request-answered"      // reaction and reply are at the forge, the task is not stored
	RequestRecorded      Failpoint = "request-recorded"      // the task is stored, the delivery is still open
	BasePinned           Failpoint = "base-pinned"           // fetched and recorded
	WorkspaceFilled      Failpoint = "workspace-filled"      // the volume is there
	BeforeContainer      Failpoint = "before-container"      // the intent is recorded
	ContainerStarted     Failpoint = "container-started"     // it runs, nothing says so yet
	OutputKept           Failpoint = "output-kept"           // of a container that ended
	CanaryStopped        Failpoint = "canary-stopped"        // a container that said a canary was stopped
	ChangeRead           Failpoint = "change-read"           // one file of many is in the quarantine
	TreeBuilt            Failpoint = "tree-built"            // its objects are kept, the proposal is not
	ProposalRecorded     Failpoint = "proposal-recorded"     // before there is a carrier
	CarrierMade          Failpoint = "carrier-made"          // before the intent to publish it
	ProposalPushed       Failpoint = "proposal-pushed"       // before there is a pull request
	PullRequestAsked     Failpoint = "pull-request-asked"    // made, or found, and not described
	PullRequestOpened    Failpoint = "pull-request-opened"   // described, its number is not stored
	ReviewAnswered       Failpoint = "review-answered"       // at the forge, which is not stored
	StatusSaid           Failpoint = "status-said"           // before the check is set
	GateSet              Failpoint = "gate-set"              // before it is stored that all was said
	ReviewJudged         Failpoint = "review-judged"         // the gate said yes, nothing is recorded
	Committed            Failpoint = "committed"             // before the intent to push
	PushIntended         Failpoint = "push-intended"         // before the push
	Pushed               Failpoint = "pushed"                // before it is recorded
	LandedDescribed      Failpoint = "landed-described"      // the pull request is still a draft
	LandedShown          Failpoint = "landed-shown"          // what was armed is not recorded
	LandedElsewhereShown Failpoint = "landed-elsewhere-said" // on another branch; the pull request is open
	DeploymentRequested  Failpoint = "deployment-requested"  // recorded, not answered
	MergeSeen            Failpoint = "merge-seen"            // recorded for the task, not for its deployments
	TurnTaken            Failpoint = "deployment-turn-taken" // before anything is prepared
	DeploymentPrepared   Failpoint = "deployment-prepared"   // workspace and secrets, no container
	DeploymentCreated    Failpoint = "deployment-created"    // the container, before the intent is recorded
	DeploymentMirrored   Failpoint = "deployment-mirrored"   // the forge has it, its id is not stored
	PipelineIntended     Failpoint = "pipeline-intended"     // recorded, the pipeline is not asked
	PipelineStopped      Failpoint = "pipeline-stopped"      // the order is recorded, its run is not cancelled
	DeploymentStarted    Failpoint = "deployment-started"    // before it is recorded
	DeploymentExited     Failpoint = "deployment-exited"     // before it is recorded
	DeploymentEnded      Failpoint = "deployment-ended"      // recorded, the forge is not told
	StorageGone          Failpoint = "storage-gone"          // a container or volume, before it is recorded
	RunGone              Failpoint = "run-gone"              // what an old deployment left, before its record
	CheckpointStored     Failpoint = "checkpoint-stored"     // in the database, the file has the one before
)

// Moved is after a task reached the state.
func Moved(to task.State) Failpoint { return "moved:" + Failpoint(to) }

// DeliveryReceived is before a delivery of the event is stored.
func DeliveryReceived(event string) Failpoint { return "delivery-received:" + Failpoint(event) }

// DeliveryStored is before a delivery that was stored is acknowledged.
func DeliveryStored(event string) Failpoint { return "delivery-stored:" + Failpoint(event) }

// Failpoints are all places there are. A test walks through them and fails for one
// that it does not reach.
func Failpoints() []Failpoint {
	all := []Failpoint{
		RequestAnswered, RequestRecorded, BasePinned, WorkspaceFilled, BeforeContainer, ContainerStarted, OutputKept, CanaryStopped,
		ChangeRead, TreeBuilt, ProposalRecorded, CarrierMade, ProposalPushed, PullRequestAsked, PullRequestOpened,
		ReviewAnswered, StatusSaid, GateSet, ReviewJudged, Committed, PushIntended, Pushed, LandedDescribed, LandedShown,
		LandedElsewhereShown, DeploymentRequested, MergeSeen, TurnTaken, DeploymentPrepared, DeploymentCreated, DeploymentMirrored,
		PipelineIntended, PipelineStopped, DeploymentStarted, DeploymentExited, DeploymentEnded, StorageGone, RunGone, CheckpointStored,
	}
	for _, event := range []string{"issue_comment", "issues", "pull_request", "pull_request_review"} {
		all = append(all, DeliveryReceived(event), DeliveryStored(event))
	}
	for _, state := range task.States() {
		if state != task.Queued { // where a task begins
			all = append(all, Moved(state))
		}
	}
	return slices.Clip(all)
}
