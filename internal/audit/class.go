package audit

import "strings"

// Class says what kind of work an entry is about, so that advice and what was
// really done are kept apart.
type Class string

// Classes. Advice changes nothing: no entry of it is written in a transaction that
// changes the state of a task (the store refuses that), so that a task's way never
// depends on what a judge says.
const (
	Productive     Class = "productive"     // what was done for a task: containers, proposals, commits, pushes, deployments
	Advisory       Class = "advisory"       // what judges say of it
	Decision       Class = "decision"       // who asked, allowed or refused
	Administrative Class = "administrative" // what changes or looks after the installation
)

// classes are by action, and for actions that are not there by the object before
// the dot, so that a new event of a known object has one.
var classes = map[string]Class{
	"delivery": Productive, "task": Productive, "base": Productive, "container": Productive, "proposal": Productive,
	"commit": Productive, "push": Productive, "deployment": Productive, "check": Productive, "gateway": Productive, "canary": Productive,

	"revision": Productive, string(RevisionAsked): Decision,

	"judge": Advisory,

	"request": Decision, "approval": Decision, "freeze": Decision,
	string(DeliveryRefused): Decision, string(TaskCreated): Decision, string(TaskCancelWanted): Decision, string(TaskReplaced): Decision,
	string(DeployRequested): Decision, string(DeployRefused): Decision,

	"manifests": Administrative, "storage": Administrative, "secret": Administrative, "token": Administrative, "git_token": Administrative, "audit": Administrative,
	"node":    Administrative,
	"receipt": Administrative, "restore": Administrative, "backup": Administrative, "checkpoint": Administrative, "evidence": Administrative,
	string(DeployRemoved): Administrative,
}

// Class is the action's class; empty if neither it nor its object is known.
func (a Action) Class() Class {
	if c, known := classes[string(a)]; known {
		return c
	}
	object, _, _ := strings.Cut(string(a), ".")
	return classes[object]
}
