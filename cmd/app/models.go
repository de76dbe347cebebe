package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/gateway"
	"github.com/coderflow/coderflow/internal/gateway/egress"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// maxTranscript bounds what is kept of one task's exchanges with models, in bytes.
const maxTranscript = 64 << 20

// models is the gateway in the engine's words.
type models struct {
	gateway   *gateway.Gateway
	vault     *vault
	providers map[string]gateway.Provider
	db        *store.Store
}

// outside is where the hosts are that containers may reach. The zero outside is the
// Internet, as this machine resolves and reaches it.
type outside struct {
	resolver egress.Resolver
	dial     egress.Dialer
}

func newModels(cfg config.Config, db *store.Store, f *figures, log *slog.Logger, out outside) (*models, error) {
	m := &models{providers: map[string]gateway.Provider{}, db: db}
	for name, p := range cfg.Models {
		provider, err := providerOf(name, p)
		if err != nil {
			return nil, err
		}
		m.providers[name] = provider
	}
	m.vault = newVault(cfg, db, m.providers)
	m.gateway = gateway.New(gateway.Options{
		Dir:    filepath.Join(cfg.DataDir, "gateway"),
		Ledger: ledger{db, f}, Journal: journal{db}, Logger: log, Now: time.Now,
		Resolver: out.resolver, Dial: out.dial,
	})
	return m, nil
}

func providerOf(name string, p config.Model) (gateway.Provider, error) {
	address, err := url.Parse(p.URL)
	if err != nil {
		return gateway.Provider{}, fmt.Errorf("model provider %s: %w", name, err)
	}
	key, err := secret.NewValue("model-key/"+name, []byte(p.Key.Reveal()))
	if err != nil {
		return gateway.Provider{}, fmt.Errorf("models.%s.keyFile: %w", name, err)
	}
	provider := gateway.Provider{Name: name, Protocol: gateway.Protocol(p.Protocol), URL: address, Key: key, Prices: map[string]gateway.Price{}}
	for model, price := range p.Prices {
		provider.Prices[model] = gateway.Price(price)
	}
	return provider, nil
}

// Close lets requests end for a moment. The containers go on: the next process
// opens their sockets again.
func (m *models) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := m.gateway.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// modelsOf gives the engine's port the method that closes one task's way.
type modelsOf struct{ *models }

// Open implements engine.Models.
func (m modelsOf) Open(ctx context.Context, t task.Task, env manifest.Environment) (string, error) {
	if env.Model != nil { // what a task spends is counted over all its revisions
		revisions, err := m.db.Revisions(ctx, t.ID)
		if err != nil {
			return "", err
		}
		model, rounds := *env.Model, task.AgentRounds(revisions)
		model.Budget.TaskTokens *= int64(rounds)
		model.Budget.TaskUSD *= float64(rounds)
		env.Model = &model
	}
	return m.open(ctx, string(t.ID), env)
}

// OpenExamination implements engine.Models.
func (m modelsOf) OpenExamination(ctx context.Context, x task.Examination, env manifest.Environment) (string, error) {
	return m.open(ctx, examSession+x.ID, env)
}

// CloseExamination implements engine.Models.
func (m modelsOf) CloseExamination(_ context.Context, id string) error {
	return m.gateway.Close(examSession + id)
}

func (m modelsOf) open(ctx context.Context, session string, env manifest.Environment) (string, error) {
	s := gateway.Session{Task: session, Environment: env.Name, Hosts: env.Network.Hosts}
	for _, provider := range m.providers { // nothing that another environment's agent may not see either
		s.Secrets = append(s.Secrets, provider.Key)
	}
	known, err := m.vault.all(ctx, env.Name)
	if err != nil {
		return "", err
	}
	s.Secrets = append(s.Secrets, known...)
	if env.Model != nil {
		provider, why := usable(env, m.providers)
		if why != "" {
			return "", &engine.UnusableError{Why: why}
		}
		s.Provider, s.Models, s.Budget = provider, env.Model.Names, budgetOf(env.Model.Budget)
	}
	return m.gateway.Open(ctx, s)
}

// Close implements engine.Models.
func (m modelsOf) Close(_ context.Context, id task.ID) error { return m.gateway.Close(string(id)) }

// microUSD is the unit of the gateway's costs in US dollars.
const microUSD = 1_000_000

func budgetOf(b manifest.Budget) gateway.Budget {
	return gateway.Budget{
		TaskTokens: b.TaskTokens, DayTokens: b.DayTokens,
		TaskCost: int64(b.TaskUSD * microUSD), DayCost: int64(b.DayUSD * microUSD),
	}
}

// usable finds the provider of an environment, or says why it cannot be used.
func usable(env manifest.Environment, providers map[string]gateway.Provider) (gateway.Provider, string) {
	provider, known := providers[env.Model.Provider]
	if !known {
		return provider, fmt.Sprintf("it names the model provider %q, which is not in the server's coderflow.yaml (section models)", env.Model.Provider)
	}
	preset, err := agent.Lookup(env.Agent.Preset)
	if err == nil && preset.Protocol != agent.ProtocolNone && string(preset.Protocol) != string(provider.Protocol) {
		return provider, fmt.Sprintf("its agent %q speaks the protocol %q, but its model provider %q speaks %q",
			preset.Name, preset.Protocol, provider.Name, provider.Protocol)
	}
	if env.Model.Budget.TaskUSD > 0 || env.Model.Budget.DayUSD > 0 {
		for _, name := range env.Model.Names {
			if !priced(provider.Prices, name) {
				return provider, fmt.Sprintf("it has a budget in US dollars, but provider %q has no price for the model %q (models.%s.prices in coderflow.yaml)",
					provider.Name, name, provider.Name)
			}
		}
	}
	return provider, ""
}

// priced reports whether every model that the name stands for has a price.
func priced(prices map[string]gateway.Price, name string) bool {
	for pattern := range prices {
		stem, any := strings.CutSuffix(pattern, "*")
		if pattern == name || any && strings.HasPrefix(strings.TrimSuffix(name, "*"), stem) {
			return true
		}
	}
	return false
}

// checkProviders says which environments of the manifests this server cannot run.
func checkProviders(set *manifest.Set, configured map[string]config.Model) error {
	providers := map[string]gateway.Provider{}
	for name, p := range configured {
		provider, err := providerOf(name, p)
		if err != nil {
			return err
		}
		providers[name] = provider
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(set.Environments)) {
		for _, agent := range set.Environments[name].AgentNames() {
			env, _ := set.Environments[name].WithAgent(agent)
			if env.Model == nil {
				continue
			}
			if _, why := usable(env, providers); why != "" {
				errs = append(errs, fmt.Errorf("environment %s cannot be used: %s", name, why))
			}
		}
		for _, j := range set.Environments[name].Judges {
			as := set.Environments[name].ForJudge(j)
			if as.Model == nil {
				continue
			}
			if _, why := usable(as, providers); why != "" {
				errs = append(errs, fmt.Errorf("judge %s of environment %s cannot be used: %s", j.Name, name, why))
			}
		}
	}
	return errors.Join(errs...)
}

// ledger keeps the gateway's accounts in the database.
type ledger struct {
	db      *store.Store
	figures *figures
}

// Spent implements gateway.Ledger.
func (l ledger) Spent(ctx context.Context, id, environment string, day time.Time) (byTask, byEnvironment gateway.Usage, err error) {
	ofTask, err := l.spentBy(ctx, id)
	if err != nil {
		return byTask, byEnvironment, err
	}
	ofDay, err := l.db.ModelUsageOfDay(ctx, environment, day)
	return gatewayUsage(ofTask), gatewayUsage(ofDay), err
}

// spentBy is what the container of a session spent: a task's, or one of a judge.
func (l ledger) spentBy(ctx context.Context, session string) (task.Usage, error) {
	if id, isExam := strings.CutPrefix(session, examSession); isExam {
		return l.db.ContainerUsage(ctx, id)
	}
	if strings.HasPrefix(session, calibrateSession) {
		return l.db.ContainerUsage(ctx, session[strings.LastIndex(session, "/")+1:])
	}
	return l.db.ModelUsage(ctx, task.ID(session))
}

func gatewayUsage(u task.Usage) gateway.Usage {
	return gateway.Usage{
		Requests: u.Requests, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens, CacheReadTokens: u.CacheReadTokens,
		CacheWriteTokens: u.CacheWriteTokens, Cost: u.Cost, CostKnown: u.Unpriced == 0, Estimated: u.Estimated > 0,
	}
}

// Record implements gateway.Ledger.
func (l ledger) Record(ctx context.Context, e gateway.Exchange) error {
	who, err := ownerAt(ctx, l.db, e.Task)
	if err != nil {
		return err
	}
	r := task.ModelRequest{
		ID: e.ID, Task: who.task, Deployment: who.deployment, Environment: e.Environment, At: e.At, Provider: e.Provider, Model: e.Model,
		Method: e.Method, Path: e.Path, Status: e.Status, Refused: refusedWords(e), FirstByte: e.FirstByte, Took: e.Took,
		Sent: e.RequestBytes, Received: e.ResponseBytes,
		Usage: task.Usage{
			Requests: e.Usage.Requests, InputTokens: e.Usage.InputTokens, OutputTokens: e.Usage.OutputTokens,
			CacheReadTokens: e.Usage.CacheReadTokens, CacheWriteTokens: e.Usage.CacheWriteTokens, Cost: e.Usage.Cost,
			Redactions: int64(e.Redactions),
		},
	}
	if e.Refused == "" && !e.Usage.CostKnown {
		r.Usage.Unpriced = 1
	}
	if e.Usage.Estimated {
		r.Usage.Estimated = 1
	}
	l.figures.exchange(r)
	return l.db.RecordModelRequest(ctx, r)
}

// refusedWords says a reason of the gateway for people; empty where nothing was
// refused: an answer that ended in the middle, a provider or host that did not
// answer, a gateway that had no room.
func refusedWords(e gateway.Exchange) string {
	if e.Refused == "" || e.Refused == gateway.CutOff || e.Status >= http.StatusInternalServerError {
		return ""
	}
	if words, known := map[string]string{
		"path":    "only requests to the model pass, on the paths that its protocol lists",
		"query":   "only requests to the model pass, on the paths that its protocol lists",
		"target":  "requests for other hosts do not pass",
		"upgrade": "only plain HTTP passes",
		"model":   "the environment does not list this model",
		"tool":    "the provider would run this tool, outside of the sandbox",
		"field":   "the provider would act on this field outside of the sandbox",
		"content": "the provider would fetch this from elsewhere",
		"budget":  "the budget is spent",
		"canary":  "it had a canary in it",
		"host":    "the environment does not list this host",
		"address": "the host's address is not a public one",
		"hello":   "what followed was not TLS for the named host",
		"price":   "the model has no price, and the budget is in money",
	}[e.Refused]; known {
		return words
	}
	return "the request was malformed (" + e.Refused + ")"
}
