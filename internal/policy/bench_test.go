package policy

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// crowd is a policy with 10,000 bindings: 100 environments, 1,000 teams, custom
// roles. Person 1 is bound directly, through fifty teams, and on everything.
func crowd() *Policy {
	const bindings = 10_000
	p := &Policy{Version: "v", Environments: map[string]Environment{}, Teams: map[string]Team{}, Roles: map[string]Role{
		"reader": {Name: "reader", Permissions: []Permission{TasksView, DeploymentsView}},
	}}
	for i := range 100 {
		name := fmt.Sprintf("env%d", i)
		p.Environments[name] = Environment{Name: name}
	}
	for i := range 1000 {
		team := Team{Name: fmt.Sprintf("team%d", i)}
		for j := range 10 {
			team.Members = append(team.Members, Member{Subject: subject(strconv.Itoa(100 + i*10 + j))})
		}
		if i < 50 {
			team.Members = append(team.Members, Member{Subject: subject("1")})
		}
		p.Teams[team.Name] = team
	}
	p.Bindings = append(p.Bindings,
		bind("direct", "1", "viewer", "environment/env0"), bind("wide", "1", "reader", Everything), bind("root", "2", ServerAdmin, Everything))
	for i := range 50 {
		p.Bindings = append(p.Bindings, bindTeam(fmt.Sprintf("t%d", i), fmt.Sprintf("team%d", i), "developer", "environment/env0"))
	}
	for i := len(p.Bindings); i < bindings; i++ {
		role := []string{"viewer", "developer", "environment-admin", "reader"}[i%4]
		p.Bindings = append(p.Bindings, bind(fmt.Sprintf("b%d", i), strconv.Itoa(20_000+i), role, fmt.Sprintf("environment/env%d", i%100)))
	}
	return p.Compile()
}

// questions are decisions of each cost: with few bindings and with many, held
// and missing, by a stranger.
func questions() map[string]func(p *Policy) Decision {
	ask := func(id string, permission Permission, allowed bool) func(*Policy) Decision {
		user := forge.User{Subject: subject(id), Login: "p" + id, Kind: forge.Person}
		return func(p *Policy) Decision {
			d := p.Decide(user, permission, "env0")
			if d.Allowed != allowed {
				panic(d.Reason.String())
			}
			return d
		}
	}
	return map[string]func(*Policy) Decision{
		"held-by-one-binding":         ask("2", TasksApprove, true),
		"held-through-fifty-teams":    ask("1", TasksCreate, true),
		"missing-despite-fifty-teams": ask("1", TasksApprove, false),
		"stranger":                    ask("3", TasksView, false),
	}
}

func BenchmarkDecideAt10000Bindings(b *testing.B) {
	p := crowd()
	for name, decide := range questions() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				decide(p)
			}
			if each := b.Elapsed() / time.Duration(b.N); b.N > 1000 && each > 50*time.Microsecond {
				b.Errorf("a decision takes %s; at most 50 µs are promised", each)
			}
		})
	}
}

func BenchmarkCompile10000Bindings(b *testing.B) {
	p := crowd()
	for b.Loop() {
		p.Compile()
	}
}
