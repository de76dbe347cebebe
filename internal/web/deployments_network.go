package web

import (
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/task"
)

// networkView is what a deployment could reach, and once it has ended what became
// of it.
type networkView struct {
	Hosts   []string      `json:"hosts"`
	Used    []hostView    `json:"used"`
	Refused []refusalView `json:"refused"`
}

func viewNetwork(r deploy.Reach) *networkView {
	if len(r.Hosts) == 0 {
		return nil
	}
	return &networkView{
		Hosts:   r.Hosts,
		Used:    collect(r.Used, func(h task.HostUse) hostView { return hostView(h) }),
		Refused: collect(r.Refused, func(r task.Refusal) refusalView { return refusalView(r) }),
	}
}
