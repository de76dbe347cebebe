package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of what is kept of a session.
const (
	maxRefused    = 100       // refused exchanges that the ledger and the transcript get
	maxTunneled   = 5000      // tunnels that the ledger gets
	maxKept       = 256 << 10 // bytes of a request in the transcript
	maxTranscript = 64 << 20  // bytes of the transcript of one session
	recordTime    = 30 * time.Second
)

// kept counts what was kept.
type kept struct{ refused, tunneled, transcript atomic.Int64 }

// line is an exchange in the transcript. The request, as "request", is put in
// last: it is JSON already, and large.
type line struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Protocol   Protocol  `json:"protocol"`
	Provider   string    `json:"provider"`
	Model      string    `json:"model,omitempty"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Status     int       `json:"status"`
	Refused    string    `json:"refused,omitempty"`
	Response   string    `json:"response,omitempty"`
	Usage      Usage     `json:"usage"`
	Redactions int       `json:"redactions,omitempty"`
	Took       string    `json:"took"`
}

// record keeps an exchange: the ledger first, for it holds the budget.
func (s *session) record(ctx context.Context, x *exchange) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if s.keeps(x) {
		err := s.gateway.o.Ledger.Record(ctx, x.Exchange)
		if err != nil {
			s.log().ErrorContext(ctx, "an exchange was not recorded; it counts in memory", "exchange", x.ID, "error", err)
		}
		if x.reserved != nil {
			lost := amount{}
			if err != nil {
				lost = amount{x.Usage.Tokens(), x.Usage.Cost}
			}
			x.reserved.settle(lost)
		}
		if x.Method != http.MethodConnect {
			s.transcribe(ctx, x)
		}
	} else if x.reserved != nil {
		x.reserved.settle(amount{})
	}
	s.gateway.o.Metrics.Exchange(x.Exchange)
}

// keeps says whether the ledger gets an exchange. What cost something always is
// kept; an agent can be refused, and connect, as often as it likes.
func (s *session) keeps(x *exchange) bool {
	switch {
	case x.Usage.Requests > 0:
		return true
	case x.Method == http.MethodConnect && x.Refused == "":
		return s.kept.tunneled.Add(1) <= maxTunneled
	}
	return s.kept.refused.Add(1) <= maxRefused
}

// price sets what the usage cost.
func (x *exchange) price() {
	if x.Usage.Tokens() == 0 {
		x.Usage.CostKnown = true
		return
	}
	if price, known := x.terms.Provider.price(x.Model); known {
		x.Usage.Cost, x.Usage.CostKnown = price.cost(x.Usage), true
	}
}

// transcribe writes the line of an exchange. The request is the one that went on,
// without secrets; one that was refused before it was inspected is not kept.
func (s *session) transcribe(ctx context.Context, x *exchange) {
	l := line{ID: x.ID, At: x.At.UTC(), Protocol: x.Protocol, Provider: x.Provider, Model: x.Model, Method: x.Method, Path: x.Path, Status: x.Status,
		Refused: x.Refused, Usage: x.Usage, Redactions: x.Redactions, Took: x.Took.String()}
	l.Response, _ = x.terms.policy.Redactor.Redact(x.answer)
	text, err := json.Marshal(l)
	if err == nil {
		if x.Usage.Requests > 0 {
			text = append(append(append(text[:len(text)-1], `,"request":`...), cut(x.body)...), '}')
		}
		before := s.kept.transcript.Add(int64(len(text))) - int64(len(text))
		switch {
		case before > maxTranscript:
			return
		case before+int64(len(text)) > maxTranscript:
			text = fmt.Appendf(nil, `{"at":%q,"cut":"the transcript has reached %d bytes"}`, l.At.Format(time.RFC3339Nano), int64(maxTranscript))
		}
		err = s.gateway.o.Journal.Transcript(ctx, x.Task, text)
	}
	if err != nil {
		s.log().ErrorContext(ctx, "a line of the transcript was not written", "exchange", x.ID, "error", err)
	}
}

// cut keeps a body whole, or its beginning and end as a string with a mark.
func cut(body []byte) []byte {
	if len(body) <= maxKept {
		return body
	}
	head, tail := body[:maxKept/4], body[len(body)-maxKept*3/4:]
	text := strings.ToValidUTF8(string(head), "") + fmt.Sprintf("[cut: %d bytes]", len(body)-maxKept) + strings.ToValidUTF8(string(tail), "")
	quoted, err := json.Marshal(text)
	if err != nil {
		return []byte("null")
	}
	return quoted
}
