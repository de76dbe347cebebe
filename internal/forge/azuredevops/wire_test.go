package azuredevops_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
)

const stubID = "0f8fad5b-d9cb-469f-a165-70867728950e"

var stubRef = forge.RepositoryRef{Host: forge.AzureDevOps, ID: stubID, Owner: "shop", Name: "widget"}

// stub is an organization that answers by a function, for what the local forge does not
// do: odd answers. It lists its resources as the service does.
type stub struct {
	*httptest.Server
	mu     sync.Mutex
	calls  int
	auths  []string
	answer http.HandlerFunc
	log    bytes.Buffer
	now    time.Time
	waits  []time.Duration
}

func newStub(t *testing.T, answer http.HandlerFunc) (*stub, *azuredevops.Adapter) {
	t.Helper()
	s := &stub{answer: answer, now: time.Now().UTC().Truncate(time.Second)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	a, err := azuredevops.New(azuredevops.Config{
		OrganizationURL: s.URL + "/acme", Credential: azuredevops.Credential{Token: "topsecret"}, AllowHTTP: true,
		Logger: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: s.clock,
		Sleep: func(_ *http.Request, wait time.Duration) error { s.waits = append(s.waits, wait); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

func (s *stub) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		var all []map[string]any
		for id, template := range map[string]string{
			"225f7195-f9c7-4d14-ab28-a83f7ff77e1f": "{project}/_apis/git/repositories/{repositoryId}", "2d874a60-a811-4f62-9c9f-963a6ea0a55b": "{project}/_apis/git/repositories/{repositoryId}/refs",
			"9946fd70-0d40-406e-b686-b4744cbbcc37": "{project}/_apis/git/repositories/{repositoryId}/pullRequests/{pullRequestId}", "00d9565f-ed9c-4a06-9a50-00e7896ccab4": "_apis/connectionData",
			"72c7ddf8-2cdc-4f60-90cd-ab71c14a399b": "{project}/_apis/wit/workItems/{id}",
		} {
			all = append(all, map[string]any{"id": id, "area": "x", "resourceName": "x", "routeTemplate": template, "resourceVersion": 1, "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": "7.1"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"count": len(all), "value": all})
		return
	}
	s.mu.Lock()
	s.calls++
	s.auths = append(s.auths, r.Header.Get("Authorization"))
	s.mu.Unlock()
	s.answer(w, r)
}

// repositoryJSON is what the stub's repository is.
var repositoryJSON = `{"id":"` + stubID + `","name":"widget","defaultBranch":"refs/heads/main","project":{"id":"` + stubID + `","name":"shop"}}`

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func failure(message string) string {
	raw, _ := json.Marshal(map[string]any{"message": message, "typeKey": "SomeException"})
	return string(raw)
}

func TestAnswersBecomeErrorsThatCallersKnow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		is     error
		words  string
	}{
		"not there":      {reply(404, failure("TF401019: The Git repository does not exist.")), forge.ErrNotFound, "TF401019"},
		"by its number":  {reply(400, failure("TF401019: The Git repository does not exist.")), forge.ErrNotFound, "TF401019"},
		"forbidden":      {reply(403, failure("TF401027: You need the Git 'GenericRead' permission.")), forge.ErrForbidden, "GenericRead"},
		"unauthorized":   {reply(401, failure("TF400813: not authorized")), forge.ErrForbidden, "TF400813"},
		"sign-in page":   {reply(203, "<html>Sign In</html>"), forge.ErrForbidden, "make a new one and put it into the token file"},
		"sign-in 401":    {reply(401, "<html>Sign In</html>"), forge.ErrForbidden, "make a new one"},
		"leads to it":    {reply(302, "", "Location", "https://login.microsoftonline.com/"), forge.ErrForbidden, "make a new one"},
		"other id":       {reply(200, strings.Replace(repositoryJSON, stubID, "11111111-2222-3333-4444-555555555555", 1)), forge.ErrNotFound, "another one"},
		"nothing":        {reply(200, "{}"), forge.ErrNotFound, ""},
		"control chars":  {reply(403, failure("a\x1b[31mb\u202ec\nd")), forge.ErrForbidden, "(Azure DevOps: a[31mbc d)"},
		"not JSON":       {reply(404, "<b>gone</b>"), forge.ErrNotFound, "<b>gone</b>"},
		"a long message": {reply(403, failure(strings.Repeat("x", 100_000))), forge.ErrForbidden, "…"},
	} {
		_, a := newStub(t, c.answer)
		_, err := a.Repository(t.Context(), stubRef)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.words) || len(err.Error()) > 4000 || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
	s, a := newStub(t, reply(400, failure("no\x07 way")))
	_, err := a.Repository(t.Context(), stubRef)
	var refused *forge.RefusedError
	if !errors.As(err, &refused) || refused.Words != "no way" || s.calls != 1 {
		t.Errorf("a refusal: %v after %d calls", err, s.calls)
	}
}

func TestTheCredentialFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 307, 308} {
		_, a := newStub(t, reply(status, "", "Location", other.URL))
		if _, err := a.Repository(t.Context(), stubRef); err == nil || reached {
			t.Errorf("%d: reached %t, %v", status, reached, err)
		}
	}
}

func TestTheTokenIsNotLogged(t *testing.T) {
	t.Parallel()
	s, a := newStub(t, reply(200, repositoryJSON))
	if _, err := a.Repository(t.Context(), stubRef); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.log.String(), "topsecret") || strings.Contains(s.log.String(), "OnRvcHNlY3JldA") || s.log.Len() == 0 || s.auths[0] != "Basic OnRvcHNlY3JldA==" {
		t.Errorf("sent %q, logged %s", s.auths, &s.log)
	}
	if text := fmt.Sprintf("%v %+v", a, azuredevops.Config{Credential: azuredevops.Credential{Token: "topsecret"}}); strings.Contains(text, "topsecret") {
		t.Errorf("it prints: %.300s", text)
	}
}

func TestWhatOnlyReadsIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, fails, calls int
		ok                   bool
	}{{500, 1, 2, true}, {502, 2, 3, true}, {503, 3, 3, false}, {504, 1, 2, true}, {501, 1, 1, false}} {
		left := c.fails
		s, a := newStub(t, func(w http.ResponseWriter, r *http.Request) {
			if left--; left >= 0 {
				reply(c.status, failure("busy"))(w, r)
				return
			}
			reply(200, repositoryJSON)(w, r)
		})
		_, err := a.Repository(t.Context(), stubRef)
		if (err == nil) != c.ok || s.calls != c.calls || len(s.waits) != c.calls-1 {
			t.Errorf("%d of %d: %d calls, waited %v, %v", c.fails, c.status, s.calls, s.waits, err)
		}
		for _, wait := range s.waits {
			if wait <= 0 || wait > 2*time.Second {
				t.Errorf("waited %s", wait)
			}
		}
	}
	s, a := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			reply(500, failure("busy"))(w, r)
			return
		}
		reply(200, `{"pullRequestId":7,"isDraft":true,"status":"active","repository":`+repositoryJSON+`}`)(w, r)
	})
	if err := a.MarkReady(t.Context(), stubRef, forge.PullRequest{Number: 7}); err == nil || s.calls != 2 {
		t.Errorf("a write is sent %d times, %v", s.calls-1, err)
	}
}

func TestALimitSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		status int
		header []string
		want   time.Duration
	}{
		"seconds":  {429, []string{"Retry-After", "7"}, 7 * time.Second},
		"503":      {503, []string{"Retry-After", "9"}, 9 * time.Second},
		"fraction": {429, []string{"Retry-After", "1.5"}, 1500 * time.Millisecond},
		"a date":   {429, []string{"Date", date.Format(http.TimeFormat), "Retry-After", date.Add(30 * time.Second).Format(http.TimeFormat)}, 30 * time.Second},
		"a reset":  {429, []string{"Date", date.Format(http.TimeFormat), "X-RateLimit-Reset", strconv.FormatInt(date.Add(20*time.Second).Unix(), 10)}, 20 * time.Second},
		"no word":  {429, nil, time.Minute},
		"huge":     {429, []string{"Retry-After", "99999999999999999999"}, time.Hour},
		"negative": {429, []string{"Retry-After", "-5"}, time.Minute},
		"zero":     {429, []string{"Retry-After", "0"}, time.Second},
		"NaN":      {429, []string{"Retry-After", "NaN"}, time.Minute},
		"infinite": {429, []string{"Retry-After", "Inf"}, time.Hour},
		"words":    {429, []string{"Retry-After", "soon"}, time.Minute},
	} {
		s, a := newStub(t, reply(c.status, failure("slow down"), c.header...))
		var limited *forge.RateLimitError
		if _, err := a.Repository(t.Context(), stubRef); !errors.As(err, &limited) || limited.RetryAfter != c.want {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := a.Repository(t.Context(), stubRef); !errors.As(err, &limited) || s.calls != 1 {
			t.Errorf("%s: asked again: %d calls, %v", name, s.calls, err)
		}
		s.mu.Lock()
		s.now = s.now.Add(c.want + time.Second)
		s.mu.Unlock()
		if _, _ = a.Repository(t.Context(), stubRef); s.calls != 2 {
			t.Errorf("%s: not asked again afterwards", name)
		}
	}
}

func TestAnAnswerThatAsksToWaitStands(t *testing.T) {
	t.Parallel()
	s, a := newStub(t, reply(200, repositoryJSON, "Retry-After", "30", "X-RateLimit-Remaining", "0"))
	if _, err := a.Repository(t.Context(), stubRef); err != nil {
		t.Fatal(err)
	}
	var limited *forge.RateLimitError
	if _, err := a.Repository(t.Context(), stubRef); !errors.As(err, &limited) || limited.RetryAfter != 30*time.Second || s.calls != 1 {
		t.Errorf("the next one: %v after %d calls", err, s.calls)
	}
}

func TestAHugeAnswerEndsTheReading(t *testing.T) {
	t.Parallel()
	s, a := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"name":"`)
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 80 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := a.Repository(t.Context(), stubRef); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") || s.calls != 1 {
		t.Errorf("80 MiB are read in %d calls: %v", s.calls, err)
	}
}

func TestOddConfigurationsAreRefused(t *testing.T) {
	t.Parallel()
	token := azuredevops.Credential{Token: "x"}
	for name, c := range map[string]azuredevops.Config{
		"no URL": {Credential: token}, "http": {OrganizationURL: "http://dev.azure.com/acme", Credential: token},
		"no organization": {OrganizationURL: "https://dev.azure.com/", Credential: token}, "a user in it": {OrganizationURL: "https://x:y@dev.azure.com/acme", Credential: token},
		"no credential": {OrganizationURL: "https://dev.azure.com/acme"}, "an empty token": {OrganizationURL: "https://dev.azure.com/acme", Credential: azuredevops.Credential{Token: " \n"}},
		"both":                        {OrganizationURL: "https://dev.azure.com/acme", Credential: azuredevops.Credential{Token: "x", Entra: &azuredevops.ServicePrincipal{Tenant: "t", ClientID: "c", Secret: "s"}}},
		"no secret":                   {OrganizationURL: "https://dev.azure.com/acme", Credential: azuredevops.Credential{Entra: &azuredevops.ServicePrincipal{Tenant: "t", ClientID: "c"}}},
		"http for tokens":             {OrganizationURL: "https://dev.azure.com/acme", Credential: azuredevops.Credential{Entra: &azuredevops.ServicePrincipal{Tenant: "t", ClientID: "c", Secret: "s", Endpoint: "http://evil.example"}}},
		"a rule without a repository": {OrganizationURL: "https://dev.azure.com/acme", Credential: token, WorkItems: []azuredevops.WorkItemRule{{Project: "shop"}}},
	} {
		if _, err := azuredevops.New(c); err == nil || strings.Contains(err.Error(), "y@") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := azuredevops.New(azuredevops.Config{OrganizationURL: "https://dev.azure.com/Acme/", Credential: token})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.GitURL(forge.RepositoryRef{Owner: "My Project", Name: "my repo"}); got != "https://dev.azure.com/Acme/My%20Project/_git/my%20repo" {
		t.Errorf("git finds it at %s", got)
	}
}

// The library keeps what the organization says about its interface; something else that
// answers for a moment is not kept.
func TestWhatIsNotAzureDevOpsIsNotRemembered(t *testing.T) {
	t.Parallel()
	odd := []string{`{}`, `{"count":1,"value":[{}]}`, `<html>`, ``}
	var good *stub
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && len(odd) > 0 {
			_, _ = io.WriteString(w, odd[0])
			odd = odd[1:]
			return
		}
		good.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	good, _ = newStub(t, reply(200, repositoryJSON))
	a, err := azuredevops.New(azuredevops.Config{OrganizationURL: proxy.URL + "/acme", AllowHTTP: true, Credential: azuredevops.Credential{Token: "x"},
		Sleep: func(*http.Request, time.Duration) error { return errors.New("not repeated") }})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := a.Repository(t.Context(), stubRef); err == nil {
			t.Error("an odd organization is believed")
		}
	}
	if _, err := a.Repository(t.Context(), stubRef); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
