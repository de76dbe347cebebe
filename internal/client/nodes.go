package client

import (
	"context"
	"net/http"
	"time"
)

// Node is a process of the installation.
type Node struct {
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

// Line is where a task stands that waits for a node.
type Line struct {
	Place   int    `json:"place"`
	Waiting int    `json:"waiting"`
	Why     string `json:"why,omitempty"`
}

// Nodes lists the processes of the installation.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var list page[Node]
	err := c.get(ctx, &list, nil, "nodes")
	return list.Items, err
}

// DrainNode has a node take no tasks any more. node is its id, or a name that only one has.
func (c *Client) DrainNode(ctx context.Context, node string) (Node, error) {
	return c.changeNode(ctx, http.MethodPost, "nodes", node, "drain")
}

// ResumeNode has it take them again.
func (c *Client) ResumeNode(ctx context.Context, node string) (Node, error) {
	return c.changeNode(ctx, http.MethodPost, "nodes", node, "resume")
}

// ForgetNode removes a lost node from the list.
func (c *Client) ForgetNode(ctx context.Context, node string) (Node, error) {
	return c.changeNode(ctx, http.MethodDelete, "nodes", node)
}

func (c *Client) changeNode(ctx context.Context, method string, path ...string) (Node, error) {
	var n Node
	err := c.Do(ctx, method, path, nil, nil, &n)
	return n, err
}
