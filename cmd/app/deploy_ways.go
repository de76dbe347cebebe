package main

import (
	"context"
	"strings"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/gateway"
)

// maxDeploySent bounds what a deployment sends through one tunnel, in bytes: images
// are pushed there.
const maxDeploySent = 8 << 30

// OpenRun implements engine.Ways.
func (m *models) OpenRun(ctx context.Context, run deploy.Run, hosts []string) (string, error) {
	s := gateway.Session{Task: runSession + run.ID, Environment: run.Environment, Hosts: hosts, MaxSent: maxDeploySent}
	for _, provider := range m.providers {
		s.Secrets = append(s.Secrets, provider.Key)
	}
	known, err := m.vault.all(ctx, run.Environment)
	if err != nil {
		return "", err
	}
	s.Secrets = append(s.Secrets, known...)
	return m.gateway.Open(ctx, s)
}

// openWays are the sessions of tasks, deployments and examinations, by their ids.
type openWays struct{ *models }

// List implements engine.OpenWays.
func (w openWays) List() []string {
	list := w.gateway.Sessions()
	for i, session := range list {
		list[i] = strings.TrimPrefix(strings.TrimPrefix(session, runSession), examSession)
	}
	return list
}

// Suspend implements engine.OpenWays.
func (w openWays) Suspend(ids []string) {
	for _, id := range ids {
		w.gateway.Suspend(id, runSession+id, examSession+id)
	}
}

// CloseRun implements engine.Ways.
func (m *models) CloseRun(_ context.Context, run deploy.Run) error {
	return m.gateway.Close(runSession + run.ID)
}
