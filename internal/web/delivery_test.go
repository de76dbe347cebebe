package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/forge"
)

type full struct{}

func (full) Accept(context.Context, forge.Delivery) error { return engine.ErrBusy }

func TestABusyServerSaysWhenToSendAgainAndLogsItAFewTimes(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	site := New(Options{
		GitHub: hook{}, Inbox: full{}, Now: func() time.Time { return time.Unix(5, 0) }, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 100 {
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, post("application/json"))
		if answer.Code != 503 || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), "too many deliveries") {
			t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
		}
	}
	if n := strings.Count(log.String(), "\n"); n == 0 || n > 5 {
		t.Errorf("%d lines in the log", n)
	}
}

type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestABusyServerReadsNoBody(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/webhooks/github", untouched{t})
	r.Header.Set("Content-Type", "application/json")
	kept := &inbox{}
	if answer := serve(t, Options{GitHub: hook{}, Inbox: kept, Busy: func() bool { return true }}, r); answer.Code != 503 || len(kept.seen) > 0 {
		t.Errorf("%d, kept %d", answer.Code, len(kept.seen))
	}
}

// holding keeps every delivery until it is let go.
type holding struct{ let chan struct{} }

func (h holding) Accept(context.Context, forge.Delivery) error {
	<-h.let
	return nil
}

func TestBytesOfDeliveriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := holding{make(chan struct{})}
		site := New(Options{GitHub: hook{}, Inbox: box, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		deliver := func(bytes int64) <-chan *httptest.ResponseRecorder {
			answers := make(chan *httptest.ResponseRecorder, 1)
			r := httptest.NewRequest(http.MethodPost, "/webhooks/github", io.LimitReader(zeros{}, bytes))
			r.Header.Set("Content-Type", "application/json")
			go func() {
				answer := httptest.NewRecorder()
				site.ServeHTTP(answer, r)
				answers <- answer
			}()
			synctest.Wait()
			return answers
		}
		var held []<-chan *httptest.ResponseRecorder
		const large = 20 << 20
		for range maxBodies / large {
			held = append(held, deliver(large))
		}
		if answer := <-deliver(large); answer.Code != 503 || answer.Header().Get("Retry-After") == "" {
			t.Errorf("beyond the bound: %d %v", answer.Code, answer.Header())
		}
		held = append(held, deliver(1000)) // what the refused one took is free again
		close(box.let)
		for i, answers := range held {
			if answer := <-answers; answer.Code != 202 {
				t.Errorf("delivery %d: %d %s", i, answer.Code, answer.Body)
			}
		}
		if answer := <-deliver(large); answer.Code != 202 {
			t.Errorf("when all is done: %d", answer.Code)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
