package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderflow/coderflow/internal/gateway/strictjson"
	"github.com/coderflow/coderflow/internal/gateway/wire"
)

// maxErrorBody bounds an error that the provider answers; more is cut.
const maxErrorBody = 256 << 10

// withheld are headers of the provider that do not reach the agent.
var withheld = set("Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "Proxy-Authenticate", "Www-Authenticate",
	"Set-Cookie", "Set-Cookie2", "Alt-Svc", "Content-Length", "Location", "Refresh", "Link", "Strict-Transport-Security", "Openai-Organization",
	"Openai-Project", "Anthropic-Organization-Id", "Report-To", "Nel")

// forward sends the request to the provider and the answer to the agent. From
// here on it counts as one that went on, whatever comes of it.
func (s *session) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, x *exchange) *wire.Refusal {
	var sent atomic.Bool
	request, err := x.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { sent.Store(info.Err == nil) },
	}), r.Header)
	if err != nil {
		return s.unreachable(ctx, x, err)
	}
	x.Usage.Requests = 1
	response, err := s.gateway.o.Transport.RoundTrip(request)
	if err != nil {
		if sent.Load() && x.route.Spends() { // an agent that hangs up at once is not served for nothing
			x.Usage.InputTokens, x.Usage.OutputTokens, x.Usage.Estimated = int64(len(x.body)/4)+1, 1, true
		}
		return s.unreachable(ctx, x, err)
	}
	defer func() { _ = response.Body.Close() }()
	x.FirstByte = time.Since(x.began)
	encoding := response.Header.Get("Content-Encoding")
	switch {
	case response.StatusCode < 200 || response.StatusCode >= 300 && response.StatusCode < 400:
		return &wire.Refusal{Status: http.StatusBadGateway, Reason: "redirect", Message: "the provider wanted to redirect, which is never followed"}
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return &wire.Refusal{Status: http.StatusBadGateway, Reason: "encoded", Message: "the provider compressed its answer unasked, which cannot be read"}
	}
	x.Status = response.StatusCode
	x.head(w.Header(), response.Header)
	if response.StatusCode >= 400 {
		x.failure(w, response)
		return nil
	}
	x.relay(w, response)
	return nil
}

// unreachable says that the provider did not answer. The cause is for the
// administrator: it may name addresses that are none of the agent's business.
func (s *session) unreachable(ctx context.Context, x *exchange, err error) *wire.Refusal {
	if ctx.Err() == nil {
		s.log().WarnContext(ctx, "a model provider did not answer", "provider", x.Provider, "error", err)
	}
	return &wire.Refusal{Status: http.StatusBadGateway, Reason: "unreachable", Message: "the model provider did not answer"}
}

// head copies the headers of an answer, without the key.
func (x *exchange) head(to, from http.Header) {
	hop := listed(from)
	for name, values := range from {
		if withheld[name] || hop[name] {
			continue
		}
		for _, v := range values {
			clean, _ := x.terms.key.Redact(v)
			to.Add(name, clean)
		}
	}
}

// failure passes an error on: the provider may repeat the key in it.
func (x *exchange) failure(w http.ResponseWriter, response *http.Response) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil {
		body = nil
	}
	if document, err := strictjson.Parse(string(body)); err == nil {
		document.Strings(func(s string) string {
			clean, _ := x.terms.key.Redact(s)
			return clean
		})
		body = document.Append(nil)
	}
	clean, _ := x.terms.key.Redact(string(body))
	x.answer, x.ResponseBytes = clean, int64(len(clean))
	w.WriteHeader(response.StatusCode)
	_, _ = io.WriteString(w, clean)
}

// pieces are the buffers between provider and agent.
var pieces = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// relay passes an answer on as it comes: each piece is written and flushed before
// the next is read, and only then looked at. The redaction of the key holds
// nothing back but the beginning of the key itself.
func (x *exchange) relay(w http.ResponseWriter, response *http.Response) {
	controller := http.NewResponseController(w)
	w.WriteHeader(response.StatusCode)
	_ = controller.Flush()
	meter := wire.NewMeter(strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream"))
	out := x.terms.key.Writer(w)
	buffer := pieces.Get().(*[16 << 10]byte)
	defer pieces.Put(buffer)
	for {
		n, readErr := response.Body.Read(buffer[:])
		if n > 0 {
			if x.ResponseBytes == 0 {
				x.FirstByte = time.Since(x.began)
			}
			x.ResponseBytes += int64(n)
			_ = controller.SetWriteDeadline(time.Now().Add(writeTime))
			_, err := out.Write(buffer[:n])
			err = errors.Join(err, controller.Flush())
			_, _ = meter.Write(buffer[:n])
			if err != nil {
				x.Refused = CutOff // the agent is gone
				break
			}
		}
		if readErr == io.EOF {
			_ = out.Close()
			break
		}
		if readErr != nil {
			x.Refused = CutOff
			break
		}
	}
	_ = controller.SetWriteDeadline(time.Time{})
	requests := x.Usage.Requests
	x.Usage, x.answer = meter.Finish(int64(len(x.body)))
	x.Usage.Requests = requests
	if !x.route.Spends() {
		x.Usage = Usage{Requests: requests, CostKnown: true}
	}
}
