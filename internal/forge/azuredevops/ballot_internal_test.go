package azuredevops

import (
	"strconv"
	"testing"
	"time"

	ado "github.com/microsoft/azure-devops-go-api/azuredevops/v7"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/webapi"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/workitemtracking"

	"github.com/coderflow/coderflow/internal/forge"
)

const (
	maria = "11111111-2222-3333-4444-555555555555"
	tom   = "21111111-2222-3333-4444-555555555555"
	us    = "31111111-2222-3333-4444-555555555555"
)

func ptr[T any](v T) *T { return &v }

func second(n float64) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

// event is a thread as the service writes one.
func event(id int, when float64, author, kind string, properties map[string]string, people ...string) thread {
	all := map[string]any{"CodeReviewThreadType": map[string]any{"$type": "System.String", "$value": kind}}
	for name, value := range properties {
		all[name] = map[string]any{"$type": "System.String", "$value": value}
	}
	identities := map[string]webapi.IdentityRef{}
	for n, p := range people {
		identities[strconv.Itoa(n+1)] = webapi.IdentityRef{Id: ptr(p), Descriptor: ptr("aad.x")}
	}
	return threadOf(&git.GitPullRequestCommentThread{
		Id: &id, PublishedDate: &ado.Time{Time: second(when)}, Properties: all, Identities: &identities,
		Comments: &[]git.Comment{{Id: ptr(1), CommentType: &git.CommentTypeValues.System, Author: &webapi.IdentityRef{Id: &author}}},
	})
}

func vote(id int, when float64, author string, value int, people ...string) thread {
	return event(id, when, author, "VoteUpdate", map[string]string{
		"CodeReviewVoteResult": strconv.Itoa(value), "CodeReviewVotedByIdentity": "1", "CodeReviewVotedByInitiatorIdentity": strconv.Itoa(len(people)),
	}, people...)
}

// poll is a ballot of the threads, with iterations by us at the given seconds and votes now.
func poll(now map[string]int, iterations []float64, threads ...thread) ballot {
	b := ballot{threads: threads, now: now, pull: &git.GitPullRequest{}, groups: map[string]bool{}}
	for n, when := range iterations {
		b.iterations = append(b.iterations, iteration{id: n + 1, commit: strconv.Itoa(n + 1), at: second(when), author: person{id: us}})
	}
	for _, t := range threads {
		if one, ok := actOf(t); ok {
			b.acts = append(b.acts, one)
		}
	}
	return b
}

func TestWhatAVoteIsWorthNow(t *testing.T) {
	t.Parallel()
	one, two := []float64{0}, map[string]int{maria: 10, tom: -10}
	for name, c := range map[string]struct {
		b    ballot
		want []forge.ReviewState
	}{
		"ten":                   {poll(two, one, vote(1, 5, maria, 10, maria)), []forge.ReviewState{forge.ReviewApproved}},
		"written by service":    {poll(two, one, vote(1, 5, theService, 10, maria)), []forge.ReviewState{forge.ReviewApproved}},
		"ten, present zero":     {poll(map[string]int{}, one, vote(1, 5, maria, 10, maria)), []forge.ReviewState{forge.ReviewDismissed}},
		"ten, present five":     {poll(map[string]int{maria: 5}, one, vote(1, 5, maria, 10, maria)), []forge.ReviewState{forge.ReviewDismissed}},
		"five":                  {poll(map[string]int{maria: 5}, one, vote(1, 5, maria, 5, maria)), []forge.ReviewState{forge.ReviewCommented}},
		"five, present ten":     {poll(map[string]int{maria: 10}, one, vote(1, 5, maria, 5, maria)), []forge.ReviewState{forge.ReviewCommented}},
		"zero":                  {poll(map[string]int{maria: 0}, one, vote(1, 5, maria, 0, maria)), []forge.ReviewState{forge.ReviewDismissed}},
		"another did it":        {poll(two, one, vote(1, 5, maria, 10, maria, tom)), nil},
		"written by another":    {poll(two, one, vote(1, 5, tom, 10, maria)), nil},
		"taken back by another": {poll(two, one, vote(1, 5, maria, 10, maria), vote(2, 6, tom, 0, maria)), []forge.ReviewState{forge.ReviewApproved}},
		"rejected by another":   {poll(two, one, vote(1, 5, maria, 10, maria), vote(2, 6, tom, -10, maria)), []forge.ReviewState{forge.ReviewApproved}},
		"rejected":              {poll(two, one, vote(1, 5, tom, -10, tom)), []forge.ReviewState{forge.ReviewChangesRequested}},
		"rejected, then ten":    {poll(map[string]int{tom: 10}, one, vote(1, 5, tom, -5, tom), vote(2, 6, tom, 10, tom)), []forge.ReviewState{forge.ReviewChangesRequested, forge.ReviewApproved}},
		"rejected, taken back":  {poll(map[string]int{tom: 0}, one, vote(1, 5, tom, -5, tom), vote(2, 6, tom, 0, tom)), []forge.ReviewState{forge.ReviewDismissed, forge.ReviewDismissed}},
		"ten, zero, ten":        {poll(two, one, vote(1, 5, maria, 10, maria), vote(2, 6, maria, 0, maria), vote(3, 7, maria, 10, maria)), []forge.ReviewState{forge.ReviewDismissed, forge.ReviewDismissed, forge.ReviewApproved}},
		"not a number":          {poll(two, one, event(1, 5, maria, "VoteUpdate", map[string]string{"CodeReviewVoteResult": "ten", "CodeReviewVotedByIdentity": "1"}, maria)), nil},
		"an unknown value":      {poll(two, one, vote(1, 5, maria, 11, maria)), []forge.ReviewState{forge.ReviewDismissed}},
		"of nobody":             {poll(two, one, event(1, 5, maria, "VoteUpdate", map[string]string{"CodeReviewVoteResult": "10", "CodeReviewVotedByIdentity": "7"}, maria)), nil},
		"a draft has no voters": {func() ballot { b := poll(two, one, vote(1, 5, maria, 10, maria)); b.pull.IsDraft = ptr(true); return b }(), []forge.ReviewState{forge.ReviewDismissed}},
	} {
		if len(c.b.acts) != len(c.want) {
			t.Errorf("%s: %d acts", name, len(c.b.acts))
			continue
		}
		for n, want := range c.want {
			if got := c.b.state(n); got != want {
				t.Errorf("%s: act %d is %s, want %s", name, n+1, got, want)
			}
		}
	}
}

func TestTheIterationOfAMoment(t *testing.T) {
	t.Parallel()
	all := poll(nil, []float64{0, 10, 20}).iterations
	for when, want := range map[float64]int{-1: 0, 0: 0, 0.001: 1, 9.999: 1, 10: 0, 10.001: 2, 20: 0, 1000: 3} {
		in, known := during(all, second(when))
		if known != (want != 0) || in.id != want {
			t.Errorf("at %v it is %d (%t), want %d", when, in.id, known, want)
		}
	}
	for name, odd := range map[string][]iteration{"none": nil, "no time": {{id: 1}}, "back in time": {{id: 1, at: second(5)}, {id: 2, at: second(3)}}} {
		if _, known := during(odd, second(10)); known {
			t.Errorf("%s: one is found", name)
		}
	}
	if _, known := during(all, time.Time{}); known {
		t.Error("an event without a time has one")
	}
}

func TestVotesThatOurPushResetAreExplained(t *testing.T) {
	t.Parallel()
	reset := func(when float64, by string) thread {
		return event(9, when, theService, "ResetMultipleVotes", map[string]string{"CodeReviewResetMultipleVotesInitiatorIdentity": "1"}, by)
	}
	ten := vote(1, 5, maria, 10, maria)
	for name, c := range map[string]struct {
		b    ballot
		want string
	}{
		"by our push":           {poll(map[string]int{maria: 0}, []float64{0, 10}, ten, reset(11, us)), "2"},
		"by a person":           {poll(map[string]int{maria: 0}, []float64{0, 10}, ten, reset(11, tom)), ""},
		"without a push":        {poll(map[string]int{maria: 0}, []float64{0}, ten, reset(11, us)), ""},
		"taken back":            {poll(map[string]int{maria: 0}, []float64{0, 10}, ten, vote(2, 7, maria, 0, maria), reset(11, us)), ""},
		"no reset":              {poll(map[string]int{maria: 0}, []float64{0, 10}, ten), ""},
		"a reset before":        {poll(map[string]int{maria: 0}, []float64{0, 10}, ten, reset(4, us)), ""},
		"still there":           {poll(map[string]int{maria: 10}, []float64{0, 10}, ten, reset(11, us)), ""},
		"made a draft":          {poll(map[string]int{maria: 0}, []float64{0, 10}, ten, event(8, 11, us, "IsDraftUpdate", nil), reset(11, us)), ""},
		"of the push before it": {poll(map[string]int{maria: 0}, []float64{0, 10, 20}, ten, reset(11, us)), "2"},
	} {
		if got := c.b.dismissedBy(0); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhoeverBypassesRulesIsNobody(t *testing.T) {
	t.Parallel()
	a := &Adapter{self: forge.User{Subject: forge.Subject{Host: forge.AzureDevOps, ID: us}}}
	comment := workitemtracking.Comment{Id: ptr(1), Text: ptr("/coderflow run"), CreatedBy: &webapi.IdentityRef{Id: ptr(maria), Descriptor: ptr("aad.x")}, CreatedDate: &ado.Time{Time: second(1)}}
	w := workItem{id: 7, fields: map[string]any{fieldProject: "shop"}}
	got, err := a.itemComment(t.Context(), w, comment)
	if err != nil || got.Author.Kind != forge.Person {
		t.Fatalf("her own: %+v, %v", got.Author, err)
	}
	for _, other := range []webapi.IdentityRef{{Id: ptr(tom)}, {UniqueName: ptr("tom@acme.example")}, {DisplayName: ptr("Tom")}} {
		comment.CreatedBy.DisplayName, comment.CreatedOnBehalfOf = ptr("Maria"), &other
		if got, err = a.itemComment(t.Context(), w, comment); err != nil || got.Author.Kind == forge.Person {
			t.Errorf("on behalf of another: %+v, %v", got.Author, err)
		}
	}
	comment.CreatedOnBehalfOf, comment.Version = nil, ptr(2)
	if got, err = a.itemComment(t.Context(), w, comment); err != nil || !got.Edited() {
		t.Errorf("a second version was not edited: %+v, %v", got, err)
	}
	for kind, descriptor := range map[forge.UserKind]string{forge.Person: "msa.x", forge.Bot: "svc.x", forge.Other: "vssgp.x"} {
		comment.CreatedBy.Descriptor = ptr(descriptor)
		if got, err := a.itemComment(t.Context(), w, comment); err != nil || got.Author.Kind != kind {
			t.Errorf("%s is a %s, %v", descriptor, got.Author.Kind, err)
		}
	}
	comment.CreatedBy.Id = ptr(us)
	if got, err := a.itemComment(t.Context(), w, comment); err != nil || got.Author.Kind != forge.Bot {
		t.Errorf("what we wrote is a %s's, %v", got.Author.Kind, err)
	}
}

func TestChangesInAnothersNameAreNobodys(t *testing.T) {
	t.Parallel()
	person := func(id string) map[string]any { return map[string]any{"id": id, "descriptor": "aad.x"} }
	update := func(by string, fields map[string]workitemtracking.WorkItemFieldUpdate) workitemtracking.WorkItemUpdate {
		return workitemtracking.WorkItemUpdate{RevisedBy: &workitemtracking.IdentityReference{Id: guid(by)}, RevisedDate: &ado.Time{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, Fields: &fields}
	}
	got := changesOf([]workitemtracking.WorkItemUpdate{
		update(maria, map[string]workitemtracking.WorkItemFieldUpdate{fieldAuthorized: {NewValue: person(maria)}, fieldChanged: {NewValue: "2026-03-01T12:00:01Z"}}),
		update(maria, nil),
		update(tom, map[string]workitemtracking.WorkItemFieldUpdate{fieldChangedBy: {NewValue: person(tom)}}), // maria did it, and says tom
		update(tom, map[string]workitemtracking.WorkItemFieldUpdate{fieldAuthorized: {NewValue: person(tom)}, fieldChanged: {NewValue: "2026-03-01T12:00:09Z"}}),
		update(tom, map[string]workitemtracking.WorkItemFieldUpdate{fieldChangedBy: {NewValue: person(maria)}}),
	})
	for n, want := range []bool{true, true, false, true, false} {
		if got[n].honest != want {
			t.Errorf("change %d is honest: %t", n+1, got[n].honest)
		}
	}
	if !got[1].at.Equal(second(1)) || !got[3].at.Equal(second(9)) {
		t.Errorf("the times are %s and %s", got[1].at, got[3].at)
	}
}

func TestTheClosestRuleNamesTheRepository(t *testing.T) {
	t.Parallel()
	m := (&Adapter{rules: []WorkItemRule{
		{Project: "Shop", Repository: "main"}, {Project: "Shop", AreaPath: `Shop\Web`, Repository: "web"}, {Project: "shop", AreaPath: `Shop\Web\Admin`, Repository: "other/admin"},
	}}).mapper()
	for _, name := range []string{"Shop/main", "Shop/web", "other/admin"} {
		m.found[name] = forge.RepositoryRef{Name: name}
	}
	for area, want := range map[string]string{`Shop`: "Shop/main", `Shop\Website`: "Shop/main", `shop\web`: "Shop/web", `Shop\Web\Cart`: "Shop/web", `Shop\Web\Admin\X`: "other/admin"} {
		if got, err := m.repository(t.Context(), "shop", area); err != nil || got.Name != want {
			t.Errorf("area %s is about %s, %v; want %s", area, got.Name, err, want)
		}
	}
}

func TestAGroupOrAnUnknownAccountIsNoPerson(t *testing.T) {
	t.Parallel()
	for descriptor, want := range map[string]forge.UserKind{
		"aad.x": forge.Person, "msa.x": forge.Person, "win.x": forge.Person, "AAD.x": forge.Person, "svc.x": forge.Bot, "aadsp.x": forge.Bot, "s2s.x": forge.Bot,
		"vssgp.x": forge.Other, "aadgp.x": forge.Other, "": forge.Other, "aad": forge.Other, "new.x": forge.Other,
	} {
		if got := kindOf(descriptor); got != want {
			t.Errorf("%q is a %s, want %s", descriptor, got, want)
		}
	}
	a := &Adapter{self: forge.User{Subject: forge.Subject{Host: forge.AzureDevOps, ID: us}}}
	u, err := a.user(t.Context(), person{id: maria, descriptor: "aad.x", group: true})
	if err != nil || u.Kind != forge.Other {
		t.Errorf("a group is a %s, %v", u.Kind, err)
	}
	if u, err = a.user(t.Context(), person{id: "maria", descriptor: "aad.x"}); err != nil || !u.Subject.IsZero() || u.Kind != forge.Other {
		t.Errorf("an account without a GUID is %+v, %v", u, err)
	}
}

func TestAccessTakesBothBits(t *testing.T) {
	t.Parallel()
	for bits, want := range map[int]forge.Access{
		0: forge.AccessNone, bitContribute | bitPullRequestContribute: forge.AccessNone, bitRead: forge.AccessRead, bitRead | bitContribute: forge.AccessRead,
		bitRead | bitPullRequestContribute: forge.AccessTriage, bitRead | bitContribute | bitPullRequestContribute: forge.AccessWrite,
		bitRead | bitContribute | bitPullRequestContribute | bitEditPolicies: forge.AccessMaintain, bitRead | bitContribute | bitPullRequestContribute | bitManagePermissions: forge.AccessAdmin,
		bitRead | bitManagePermissions: forge.AccessRead,
	} {
		if got := levelOf(bits); got != want {
			t.Errorf("%b is %s, want %s", bits, got, want)
		}
	}
}
