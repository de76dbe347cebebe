package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/forge"
)

type inbox struct {
	err  error
	seen []forge.Delivery
}

func (i *inbox) Accept(_ context.Context, d forge.Delivery) error {
	i.seen = append(i.seen, d)
	return i.err
}

type hook struct{ forged, unreadable bool }

func (h hook) Verify(http.Header, []byte) error {
	if h.forged {
		return errors.New("wrong signature, the secret is hunter2")
	}
	return nil
}

func (h hook) Delivery(http.Header, []byte) (forge.Delivery, error) {
	if h.unreadable {
		return forge.Delivery{}, errors.New("nonsense")
	}
	return forge.Delivery{ID: "1"}, nil
}

func serve(t *testing.T, o Options, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	o.Logger, o.Now = slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(5, 0) }
	if o.Inbox == nil {
		o.Inbox = &inbox{}
	}
	answer := httptest.NewRecorder()
	New(o).ServeHTTP(answer, r)
	return answer
}

func post(contentType string) *http.Request { return postTo("/webhooks/github", contentType) }

func postTo(path, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestDeliveryIsAnsweredForWhatItIs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hook  hook
		inbox *inbox
		media string
		want  int
		kept  int
	}{
		"good":                         {hook{}, &inbox{}, "application/json; charset=utf-8", 202, 1},
		"forged":                       {hook{forged: true}, &inbox{}, "application/json", 401, 0},
		"not understood":               {hook{unreadable: true}, &inbox{}, "application/json", 400, 0},
		"other type":                   {hook{}, &inbox{}, "text/plain", 415, 0},
		"no type":                      {hook{}, &inbox{}, "", 415, 0},
		"fault 19: the database fails": {hook{}, &inbox{err: errors.New("disk I/O error at /secret/path")}, "application/json", 503, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, challenged := range map[string]bool{"/webhooks/github": false, "/webhooks/azuredevops": tt.want == 401} {
				kept := &inbox{err: tt.inbox.err}
				answer := serve(t, Options{GitHub: tt.hook, AzureDevOps: tt.hook, Inbox: kept}, postTo(path, tt.media))
				if answer.Code != tt.want || len(kept.seen) != tt.kept {
					t.Errorf("%s: status %d with %d kept, want %d with %d", path, answer.Code, len(kept.seen), tt.want, tt.kept)
				}
				if asks := strings.HasPrefix(answer.Header().Get("WWW-Authenticate"), "Basic realm="); asks != challenged {
					t.Errorf("%s: WWW-Authenticate is %q", path, answer.Header().Get("WWW-Authenticate"))
				}
				for _, secret := range []string{"hunter2", "/secret/path"} {
					if strings.Contains(answer.Body.String(), secret) {
						t.Errorf("%s: the answer gives away %q: %s", path, secret, answer.Body)
					}
				}
			}
		})
	}
}

// unread fails the test if somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a stranger was read")
	return 0, errors.New("do not read this")
}

// Where headers are the whole proof, a stranger's body is not waited for.
func TestAStrangersBodyIsNotReadWhereAPasswordIsTheProof(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/webhooks/azuredevops", unread{t})
	r.Header.Set("Content-Type", "application/json")
	if answer := serve(t, Options{AzureDevOps: hook{forged: true}}, r); answer.Code != 401 {
		t.Errorf("status %d", answer.Code)
	}
}

func TestTheLimitsOfDeliveriesAreThoseOfBothForges(t *testing.T) {
	t.Parallel()
	o := Options{GitHub: hook{}, AzureDevOps: hook{}, Inbox: &inbox{}}
	for _, path := range []string{"/webhooks/github", "/webhooks/azuredevops"} {
		packed := postTo(path, "application/json")
		packed.Header.Set("Content-Encoding", "gzip")
		if answer := serve(t, o, packed); answer.Code != 415 {
			t.Errorf("%s: a compressed delivery: %d", path, answer.Code)
		}
		large := httptest.NewRequest(http.MethodPost, path, strings.NewReader(strings.Repeat(" ", maxDelivery+1)))
		large.Header.Set("Content-Type", "application/json")
		if answer := serve(t, o, large); answer.Code != 413 {
			t.Errorf("%s: a delivery that is too large: %d", path, answer.Code)
		}
		if answer := serve(t, o, httptest.NewRequest(http.MethodGet, path, nil)); answer.Code != 405 {
			t.Errorf("%s: GET: %d", path, answer.Code)
		}
	}
}

// stuck is a database that does not answer.
type stuck struct{}

func (stuck) Accept(ctx context.Context, _ forge.Delivery) error {
	<-ctx.Done()
	return ctx.Err()
}

// A forge that gave up waiting would not know that it has to send the delivery again.
func TestFault19TheForgeHears503BeforeItGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const patience = 10 * time.Second // GitHub's
		r := post("application/json")
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		answer := serve(t, Options{GitHub: hook{}, Inbox: stuck{}}, r.WithContext(ctx))
		if took := time.Since(began); answer.Code != 503 || took > patience-2*time.Second {
			t.Errorf("answered %d after %s", answer.Code, took)
		}
	})
}

func TestReadyNamesThePartThatFails(t *testing.T) {
	t.Parallel()
	probes := []Probe{
		{Name: "database", Check: func(context.Context) error { return nil }},
		{Name: "docker", Check: func(context.Context) error { return errors.New("socket /var/run/x") }, Cause: "it is away", Fix: "start it"},
		{Name: "containers", Check: func(context.Context) error { return errors.New("no engine") }, Cause: "unknown", Needs: "docker"},
		{Name: "queue", Check: func(context.Context) error { return fmt.Errorf("look: %w", Unready("2 jobs wait")) }, Cause: "unknown", Fix: "look"},
	}
	answer := serve(t, Options{Probes: probes}, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var body struct {
		Status string
		Parts  []finding
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if answer.Code != 503 || body.Status != "not ready" || !body.Parts[0].OK || body.Parts[1] != (finding{"docker", false, "it is away", "start it"}) {
		t.Errorf("%d %+v", answer.Code, body)
	}
	if len(body.Parts) != 3 || body.Parts[2] != (finding{"queue", false, "2 jobs wait", "look"}) {
		t.Errorf("the part that needs docker is told of, or the queue's own words are not: %+v", body.Parts)
	}
	if strings.Contains(answer.Body.String(), "/var/run") {
		t.Errorf("internals are given away: %s", answer.Body)
	}
	answer = serve(t, Options{Probes: probes[:1]}, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if answer.Code != 200 {
		t.Errorf("status %d, want 200", answer.Code)
	}
}

// A probe that hangs does not hang the answer.
func TestReadyHasADeadline(t *testing.T) {
	t.Parallel()
	hanging := Probe{Name: "docker", Check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	answer := serve(t, Options{Probes: []Probe{hanging}}, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if answer.Code != 503 {
		t.Errorf("status %d, want 503", answer.Code)
	}
}

// Many who ask at once are one who asks.
func TestReadyAsksThePartsOnceForMany(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	slow := Probe{Name: "docker", Check: func(context.Context) error { asked.Add(1); return nil }}
	handler := New(Options{Probes: []Probe{slow}, Logger: slog.New(slog.DiscardHandler)})
	began := time.Now()
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if answer.Code != http.StatusOK {
				t.Errorf("status %d", answer.Code)
			}
		})
	}
	all.Wait()
	if most := 1 + int32(time.Since(began)/probeKept); asked.Load() > most {
		t.Errorf("the part was asked %d times, want at most %d", asked.Load(), most)
	}
}

// A server that stops says so for as long as it answers, which is until its steps are done.
func TestReadyIsNotWhileTheServerStops(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := New(Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	parked, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- Serve(ctx, l, handler, time.Minute, parked) }()
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := get("/readyz"); status != http.StatusOK {
		t.Errorf("before: %d %s", status, body)
	}
	stop()
	if status, body := get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"stopping"`) || !strings.Contains(body, endingFinding.Cause) {
		t.Errorf("while it stops: %d %s", status, body)
	}
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is %d while the server stops", status)
	}
	close(parked)
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestEveryRouteSaysWhoMayCallIt(t *testing.T) {
	t.Parallel()
	s := newServer(Options{GitHub: hook{}, AzureDevOps: hook{}, Metrics: http.NotFoundHandler(), API: &API{}, Now: time.Now})
	table := map[string]access{}
	for _, r := range s.routes() {
		table[r.method+" "+r.path] = r.access
	}
	for _, r := range New(s.Options).(*echo.Echo).Routes() {
		if table[r.Method+" "+r.Path] == "" {
			t.Errorf("%s %s says nothing about who may call it", r.Method, r.Path)
		}
	}
}

func TestUnknownPathsAreJSONAndEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	answer := serve(t, Options{}, httptest.NewRequest(http.MethodGet, "/nowhere", nil))
	if answer.Code != 404 || !strings.Contains(answer.Body.String(), `"error"`) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options"} {
		if answer.Header().Get(name) == "" {
			t.Errorf("no header %s", name)
		}
	}
	for path, o := range map[string]Options{"/webhooks/github": {AzureDevOps: hook{}}, "/webhooks/azuredevops": {GitHub: hook{}}} {
		if answer = serve(t, o, postTo(path, "application/json")); answer.Code != 404 {
			t.Errorf("%s: a forge that is not configured answers %d", path, answer.Code)
		}
	}
}

func TestServeFinishesRequestsBeforeItStops(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		w.WriteHeader(http.StatusNoContent)
	})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, handler, 10*time.Second, nil) }()
	status := make(chan int, 1)
	go func() {
		response, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			status <- 0
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-entered
	stop()
	close(leave)
	if got := <-status; got != http.StatusNoContent {
		t.Errorf("the request in flight got %d", got)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}
