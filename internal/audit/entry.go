// Package audit defines what CoderFlow writes down about each decision and each
// effect. Intent is written before an effect and outcome after it, in the
// transaction that changes the state. The entries are the leaves of a Merkle tree,
// whose roots the server signs; [Verify] finds what was changed.
package audit

import (
	"encoding/json"
	"fmt"
	"time"
)

// Action names what happened, as "object.event".
type Action string

// Actions. A pair of intent and outcome shares its object.
const (
	DeliveryAccepted  Action = "delivery.accepted"
	DeliveryRefused   Action = "delivery.refused"
	RequestRefused    Action = "request.refused"
	TaskCreated       Action = "task.created"
	TaskMoved         Action = "task.moved"
	TaskCancelWanted  Action = "task.cancel_requested"
	TaskReplaced      Action = "task.replaced" // another variant was approved, or a newer request took its place
	BaseFetched       Action = "base.fetched"
	ContainerIntent   Action = "container.start_intended"
	ContainerStarted  Action = "container.started"
	ContainerEnded    Action = "container.ended"
	ProposalRecorded  Action = "proposal.recorded"
	ProposalIntent    Action = "proposal.publish_intended"
	ProposalPublished Action = "proposal.published"
	ProposalBrought   Action = "proposal.brought" // to a server that did not make it
	CheckAsked        Action = "check.asked"
	CheckEnded        Action = "check.ended"
	JudgeAsked        Action = "judge.asked"
	JudgeAnswered     Action = "judge.answered"
	JudgeCalibration  Action = "judge.calibration_intended"
	JudgeCalibrated   Action = "judge.calibrated"
	RevisionAsked     Action = "revision.asked"   // who asked for what, by a command or a review
	RevisionStarted   Action = "revision.started" // of which feedback; what was approved before is void
	RevisionEnded     Action = "revision.ended"   // put up for review, or come to nothing
	ApprovalRefused   Action = "approval.refused"
	ApprovalCounted   Action = "approval.counted" // nothing wrong with it, but others are missing
	ApprovalRecorded  Action = "approval.recorded"
	ApprovalReasons   Action = "approval.reasons" // of what was recorded: by what it was decided, what it armed; in no receipt
	ApprovalVoid      Action = "approval.void"
	CommitKept        Action = "commit.kept" // made, and not pushed, as the approval asked
	PushIntent        Action = "push.intended"
	PushDone          Action = "push.done"
	PushRefused       Action = "push.refused"
	ReceiptIssued     Action = "receipt.issued"
	DeployRequested   Action = "deployment.requested"
	DeployRefused     Action = "deployment.refused" // a request, or what an approval would have armed
	DeployMerged      Action = "deployment.merge_seen"
	DeployRemoved     Action = "deployment.removed" // its record, by age
	DeployIntent      Action = "deployment.start_intended"
	DeployStarted     Action = "deployment.started"
	DeployCancel      Action = "deployment.cancel_intended" // of a pipeline's run
	DeployEnded       Action = "deployment.ended"
	ManifestsApplied  Action = "manifests.applied"
	ManifestsRefused  Action = "manifests.refused"
	NodeLost          Action = "node.lost"      // others took it for dead
	NodeDrained       Action = "node.drained"   // it is to take no tasks
	NodeResumed       Action = "node.resumed"   // it takes tasks again
	NodeForgotten     Action = "node.forgotten" // a lost one, removed from the list
	TaskLeftNode      Action = "task.left_node" // another one goes on with it
	StorageRemoved    Action = "storage.removed"
	SecretSet         Action = "secret.set"
	SecretRemoved     Action = "secret.removed"
	SecretsResealed   Action = "secret.key_changed"
	CanaryTripped     Action = "canary.tripped"
	GitTokenKept      Action = "git_token.kept"
	GitTokenRefreshed Action = "git_token.refreshed"
	GitTokenForgotten Action = "git_token.forgotten"
	EvidenceDiffers   Action = "evidence.differs" // the log and the forge, since the last look: what is new, what is gone
	FreezeSet         Action = "freeze.set"
	FreezeLifted      Action = "freeze.lifted"
	KeyChanged        Action = "audit.key_changed"
	BackupMade        Action = "backup.made"
	RestoreDone       Action = "restore.done" // the log went on from an older state
)

// System is the actor of what CoderFlow does by itself.
const System = "coderflow"

// Entry is one line of the log. Seq is given by the store and never reused.
type Entry struct {
	Seq         int64
	At          time.Time
	Actor       string // forge.Subject in text form, or System
	Action      Action
	Task        string
	Environment string
	Detail      json.RawMessage
}

// New makes an entry. detail is encoded as JSON and must not contain secrets.
func New(at time.Time, actor string, action Action, detail any) (Entry, error) {
	encoded, err := json.Marshal(detail)
	if err != nil {
		return Entry{}, fmt.Errorf("encode the detail of audit entry %s: %w", action, err)
	}
	return Entry{At: at.UTC(), Actor: actor, Action: action, Detail: encoded}, nil
}
