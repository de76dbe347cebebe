package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coderflow/coderflow/bench/bound"
)

// target is a server that takes deliveries.
type target struct {
	url    string
	header http.Header
	body   []byte
	client *http.Client
}

func newTarget(url, secret string, body []byte) *target {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return &target{
		url: url, body: body,
		header: http.Header{
			"Content-Type": {"application/json"}, "X-Github-Event": {"issue_comment"}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))},
		},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096}},
	}
}

// outcome is what became of one delivery.
type outcome struct {
	id     string
	status int // 0: no answer
	retry  bool
	took   time.Duration
}

// deliver sends one delivery with an id of its own.
func (t *target) deliver() outcome {
	o := outcome{id: rand.Text()}
	r, err := http.NewRequest(http.MethodPost, t.url, bytes.NewReader(t.body))
	if err != nil {
		return o
	}
	r.Header = t.header.Clone()
	r.Header.Set("X-GitHub-Delivery", o.id)
	began := time.Now()
	answer, err := t.client.Do(r)
	o.took = time.Since(began)
	if err != nil {
		return o
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is used again
	_ = answer.Body.Close()
	o.status, o.retry = answer.StatusCode, answer.Header.Get("Retry-After") != ""
	return o
}

// pause is how long a sender waits that was told to retry; GitHub and Azure DevOps wait for longer.
const pause = 100 * time.Millisecond

// flood delivers with so many senders at once, each as soon as the one before was taken.
func (t *target) flood(senders int, length time.Duration) []outcome {
	var mu sync.Mutex
	var all []outcome
	var senderGroup sync.WaitGroup
	end := time.Now().Add(length)
	for range senders {
		senderGroup.Go(func() {
			var mine []outcome
			for time.Now().Before(end) {
				o := t.deliver()
				mine = append(mine, o)
				if o.status != http.StatusAccepted {
					time.Sleep(pause)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	senderGroup.Wait()
	t.client.CloseIdleConnections()
	return all
}

// rate is how many deliveries a second are taken.
func (t *target) rate(b *testing.B, senders int, length time.Duration) float64 {
	b.Helper()
	taken, all := 0, t.flood(senders, length)
	for _, o := range all {
		if o.status == http.StatusAccepted {
			taken++
		}
	}
	if taken < len(all)*9/10 {
		b.Fatalf("only %d of %d deliveries were taken", taken, len(all))
	}
	return float64(taken) / length.Seconds()
}

// steady delivers at a fixed rate, whether or not the server keeps up: each delivery's time counts from when it was
// due, so that a server that stops for a while is charged for all that should have come meanwhile.
func (t *target) steady(b *testing.B, perSecond int, length time.Duration) bound.Times {
	b.Helper()
	n := int(length.Seconds() * float64(perSecond))
	times := make(bound.Times, n)
	var refused atomic.Int64
	var sent sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		time.Sleep(time.Until(due))
		sent.Go(func() {
			if o := t.deliver(); o.status != http.StatusAccepted {
				refused.Add(1)
			}
			times[i] = time.Since(due)
		})
	}
	sent.Wait()
	if refused.Load() > 0 {
		b.Fatalf("%d of %d deliveries were not taken", refused.Load(), n)
	}
	return times
}
