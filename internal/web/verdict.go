package web

import (
	"fmt"
	"net/http"

	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
)

// decide asks the policy about the whole change, in the name of the caller. An
// object that differs and that the policy says nothing of is nobody's oversight
// to use: it takes the permission of its kind.
func (e *edit) decide() policy.Decision {
	user := e.c.user
	user.Login = loginOf(e.was.Policy, user.Subject)
	d := policy.CheckChange(policy.Authority{User: user}, e.was.Policy, e.rules)
	judged := map[string]bool{}
	for _, branch := range d.Reason.Because {
		judged[branch.Text] = true
	}
	for _, change := range e.changes {
		object := subjectOf(change.Kind, change.Name)
		if judged[object] {
			continue
		}
		permission, resource := manages(change.Kind), e.resource(change)
		reason := e.was.Policy.HoldsOn(user, permission, resource)
		if object == "" {
			object = change.Kind + " " + change.Name
		}
		d.Reason = policy.All(d.Reason.Text, append(d.Reason.Because, policy.All(object, reason))...)
		d.Allowed = d.Allowed && reason.OK
	}
	return d
}

// resource is where a change takes place, by the rules before it if there was
// something.
func (e *edit) resource(c manifest.Change) string {
	environment, name := profileName(c.Kind, c.Name)
	switch c.Kind {
	case manifest.KindEnvironment:
		return policy.EnvironmentResource(name)
	case manifest.KindDeploymentProfile:
		return policy.EnvironmentResource(environment)
	case manifest.KindTeam:
		return policy.TeamResource(name)
	case manifest.KindRoleBinding:
		if b := e.sight.bindings[name]; c.Act != manifest.Added {
			return b.Resource
		}
		return e.boundAfter(name)
	}
	return policy.Server
}

func (e *edit) boundAfter(name string) string {
	for _, b := range e.rules.Bindings {
		if b.Name == name {
			return b.Resource
		}
	}
	return ""
}

// shows reports whether the caller may be told of the change: they see what was
// there, and where they put something, they see the resource.
func (e *edit) shows(c manifest.Change) bool {
	if c.Act != manifest.Added && !e.sight.sees(c.Kind, c.Name) {
		return false
	}
	switch {
	case c.Act == manifest.Removed || c.Kind == manifest.KindRole:
		return true
	case c.Kind == manifest.KindRoleBinding:
		return e.places(e.boundAfter(c.Name))
	}
	return e.places(e.resource(c))
}

// places: whoever holds anything on everything may know what is new.
func (e *edit) places(resource string) bool {
	return e.c.sees(resource) || e.sight.reaches(policy.Everything)
}

// refuse tells what the caller lacks, and audits that they tried.
func (e *edit) refuse(d policy.Decision, dry bool) error {
	if !dry {
		if err := e.c.s.API.Manifests.NoteRefusedChange(e.c.Request().Context(), e.record(refusals(d))); err != nil {
			return err
		}
	}
	reason := e.told(d)
	return &apiError{
		status: http.StatusForbidden, text: "you may not make all of this change; nothing was put in force", reason: &reason,
	}
}

// refusals are what stands against, bounded, for the audit log.
func refusals(d policy.Decision) []string {
	var list []string
	for _, branch := range d.Reason.Because {
		for _, text := range branch.Refusals() {
			if len(list) == maxShownChecks {
				return append(list, "and more")
			}
			list = append(list, line(branch.Text+": "+text, maxShownText))
		}
	}
	return list
}

// told is the part of the decision that stands against, without what the caller
// may not see: the same for an object that is there and for one that is not.
func (e *edit) told(d policy.Decision) policy.Reason {
	branches := map[string]policy.Reason{}
	for _, branch := range d.Reason.Because {
		branches[branch.Text] = branch
	}
	said := policy.No(d.Reason.Text)
	removed, more := 0, 0
	say := func(r policy.Reason) {
		if len(said.Because) == maxShownChecks {
			more++
			return
		}
		said.Because = append(said.Because, r)
	}
	for _, change := range e.changes {
		object := subjectOf(change.Kind, change.Name)
		if object == "" {
			object = change.Kind + " " + change.Name
		}
		branch, known := branches[object]
		delete(branches, object)
		switch {
		case change.Kind == manifest.KindRole && !e.sight.holds(policy.RolesManage, policy.Server):
			// Where a role is bound is for those who manage roles.
			say(policy.No(object, e.was.Policy.HoldsOn(e.c.user, policy.RolesManage, policy.Server)))
		case e.shows(change):
			if known && !branch.OK {
				say(against(branch))
			}
		case change.Act == manifest.Removed:
			removed++
		default:
			say(policy.No(object, e.unseen(change)))
		}
	}
	if admins, known := branches["server admins"]; known && !admins.OK {
		say(against(admins))
	}
	if removed > 0 {
		say(policy.No(fmt.Sprintf("%d objects in force that you may not see would be removed; the mode merge changes some objects and leaves the rest", removed)))
	}
	if more > 0 {
		said.Because = append(said.Because, policy.No(fmt.Sprintf("and %d objects more", more)))
	}
	return said
}

// unseen is the reason about an object on a resource that the caller does not
// see. It does not tell whether there is one.
func (e *edit) unseen(c manifest.Change) policy.Reason {
	reason := e.was.Policy.HoldsOn(e.c.user, manages(c.Kind), policy.Everything)
	if reason.OK {
		return policy.No("it takes more than you hold")
	}
	return reason
}

// against is the part of a tree that stands against.
func against(r policy.Reason) policy.Reason {
	kept := policy.Reason{OK: r.OK, Text: r.Text}
	for _, child := range r.Because {
		if !child.OK {
			kept.Because = append(kept.Because, against(child))
		}
	}
	return kept
}
