package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/node"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// NodeStatus is a node with what it has to do.
type NodeStatus struct {
	node.Node
	// Running is how many agents run there, Tasks how many tasks that have not ended are its.
	Running, Tasks int
}

// NodeChange is somebody's order about a node, for the audit log.
type NodeChange struct {
	// Node is its id, or a name that only one has.
	Node string
	By   forge.User
	When time.Time
	// Decision is by what it was permitted.
	Decision policy.Decision
	// Using and Request are the ids of the token that was used and of the request.
	Using, Request string
}

// NodeDesk tells of the processes that share the database. An order about a node that is
// not there fails with task.ErrNotFound, about one of several with that name with
// ErrManyNodes. One can only be forgotten that is lost and that no task waits for:
// ErrNodeLives, ErrNodeHeld.
type NodeDesk interface {
	Nodes(ctx context.Context) ([]NodeStatus, error)
	// Line is where a task stands that waits for a node.
	Line(ctx context.Context, id task.ID) (task.InLine, error)
	// Drain has a node take no tasks any more, audited.
	Drain(ctx context.Context, c NodeChange) (NodeStatus, error)
	// Resume has it take them again, audited.
	Resume(ctx context.Context, c NodeChange) (NodeStatus, error)
	// Forget removes a lost node from the list, audited.
	Forget(ctx context.Context, c NodeChange) (NodeStatus, error)
}

// What an order about a node can fail with, besides task.ErrNotFound.
var (
	ErrManyNodes = errors.New("several nodes have that name: say which one by its id")
	ErrNodeLives = errors.New("the node is not lost: stop its process first, and wait until it is")
	ErrNodeHeld  = errors.New("tasks wait for the node, as their environments say (scheduling.onNodeLoss): cancel them, or change that")
)

type nodeView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	State     string     `json:"state"` // ready, draining or lost
	Labels    []string   `json:"labels"`
	Serves    bool       `json:"serves"`
	Slots     int        `json:"slots"` // 0: it runs no containers
	Running   int        `json:"running"`
	Tasks     int        `json:"tasks"`
	Version   string     `json:"version"`
	StartedAt time.Time  `json:"startedAt"`
	SeenAt    time.Time  `json:"seenAt"`
	DrainedAt *time.Time `json:"drainedAt,omitempty"`
	LostAt    *time.Time `json:"lostAt,omitempty"`
}

func viewNode(n NodeStatus) nodeView {
	return nodeView{
		ID: n.ID, Name: n.Name, State: string(n.State()), Labels: append([]string{}, n.Labels...), Serves: n.Serves, Slots: n.Slots,
		Running: n.Running, Tasks: n.Tasks, Version: n.Version, StartedAt: n.StartedAt.UTC(), SeenAt: n.SeenAt.UTC(),
		DrainedAt: moment(n.DrainedAt), LostAt: moment(n.LostAt),
	}
}

func listNodes(c *call) error {
	list, err := c.s.API.Nodes.Nodes(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, page[nodeView]{Items: collect(list, viewNode)})
}

// changeNode answers an order about the node that the path names.
func changeNode(do func(NodeDesk, context.Context, NodeChange) (NodeStatus, error)) func(*call) error {
	return func(c *call) error {
		reason := c.holds(policy.ServerManage, policy.Server)
		change := NodeChange{
			Node: c.Param("node"), By: c.user, When: c.s.Now(), Using: c.token.ID, Request: requestID(c),
			Decision: policy.Decision{Allowed: reason.OK, Reason: reason, PolicyVersion: c.rules.Version},
		}
		n, err := do(c.s.API.Nodes, c.Request().Context(), change)
		switch {
		case errors.Is(err, task.ErrNotFound):
			return &apiError{status: http.StatusNotFound, text: "there is no such node"}
		case errors.Is(err, ErrManyNodes), errors.Is(err, ErrNodeLives), errors.Is(err, ErrNodeHeld):
			return &apiError{status: http.StatusConflict, text: err.Error()}
		case err != nil:
			return fmt.Errorf("change a node: %w", err)
		}
		return c.JSON(http.StatusOK, viewNode(n))
	}
}

type lineView struct {
	Place   int    `json:"place"` // 1: the next one
	Waiting int    `json:"waiting"`
	Why     string `json:"why,omitempty"`
}

// words say it on the page of the task.
func (l lineView) words() string {
	text := fmt.Sprintf("It is number %d of %d in line, and starts as soon as there is a free place. Nobody has to do anything.", l.Place, l.Waiting)
	if l.Why != "" {
		text += " What it waits for: " + l.Why + "."
	}
	return text
}

// line is where the task stands, or nil for one that does not wait.
func (c *call) line(t task.Task) (*lineView, error) {
	if c.s.API.Nodes == nil || t.State != task.Queued {
		return nil, nil
	}
	in, err := c.s.API.Nodes.Line(c.Request().Context(), t.ID)
	if err != nil || in.Place == 0 {
		return nil, err
	}
	return &lineView{in.Place, in.Waiting, in.Why}, nil
}
