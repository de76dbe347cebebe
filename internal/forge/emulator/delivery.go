package emulator

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	ID         int64         `json:"id"`   // of the attempt
	GUID       string        `json:"guid"` // of the event; a redelivery keeps it
	Event      string        `json:"event"`
	Action     string        `json:"action"`
	Redelivery bool          `json:"redelivery"`
	Dropped    bool          `json:"dropped"` // by DropDeliveries: never sent
	Status     int           `json:"status"`  // HTTP status; 0 if there was no answer
	Error      string        `json:"error"`
	At         time.Time     `json:"at"`
	Duration   time.Duration `json:"duration"`
	Payload    []byte        `json:"-"`
}

// delivery is a Delivery with what a redelivery needs.
type delivery struct {
	Delivery
	app          *app
	url          string
	installation int64
	repository   int64
	header       http.Header
	response     string
	done         bool
	// subscription is the one of Azure DevOps that it is for, notification its number there, retries how often
	// the service has tried again.
	subscription *subscription
	notification int
	retries      int
}

const deliveryTimeout = 10 * time.Second // GitHub's own limit

// hub sends deliveries in the order in which they were queued, one at a time, once each.
type hub struct {
	forge  *Forge
	client *http.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	queue   []*delivery
	busy    bool
	drop    func(event string) bool
	later   map[*delivery]*time.Timer // what is tried again after a while
	changed chan struct{}             // closed and replaced whenever something happens
}

func newHub(f *Forge) *hub {
	client := &http.Client{Timeout: deliveryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return &hub{forge: f, client: client, later: map[*delivery]*time.Timer{}, changed: make(chan struct{})}
}

// signal needs h.mu.
func (h *hub) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *hub) start(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(ctx)
	h.ended = make(chan struct{})
	go h.run(ctx)
}

func (h *hub) stop() {
	if h.cancel != nil {
		h.cancel()
		<-h.ended
	}
}

func (h *hub) run(ctx context.Context) {
	defer close(h.ended)
	for ctx.Err() == nil {
		d, changed := h.next()
		if d == nil {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		h.send(ctx, d)
		h.mu.Lock()
		h.busy = false
		h.signal()
		h.mu.Unlock()
	}
}

// next takes the oldest delivery, or returns the channel that tells of the next change.
func (h *hub) next() (*delivery, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return nil, h.changed
	}
	d := h.queue[0]
	h.queue, h.busy = h.queue[1:], true
	return d, nil
}

func (h *hub) push(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append(h.queue, d)
	h.signal()
}

// send makes the one attempt and records its outcome.
func (h *hub) send(ctx context.Context, d *delivery) {
	if h.forge.pastDelivery(d) {
		return
	}
	if see := h.forge.opts.OnDelivery; see != nil {
		see(d.Event, d.header.Clone(), d.Payload)
	}
	h.mu.Lock()
	dropped := h.drop != nil && h.drop(d.Event)
	h.mu.Unlock()
	began := time.Now()
	status, body, err := 0, "", error(nil)
	if !dropped {
		status, body, err = h.post(ctx, d)
	}
	h.forge.mu.Lock()
	defer h.forge.mu.Unlock()
	d.done, d.Dropped, d.Status, d.response = true, dropped, status, body
	d.At, d.Duration = h.forge.now(), time.Since(began)
	if err != nil {
		d.Error = err.Error()
		h.forge.log.WarnContext(ctx, "webhook not delivered", "event", d.Event, "guid", d.GUID, "error", err)
	}
	if d.subscription != nil && !dropped && ctx.Err() == nil {
		h.forge.judgeDelivery(d)
	}
}

// pushLater queues a delivery after a while.
func (h *hub) pushLater(d *delivery, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.later[d] = time.AfterFunc(wait, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.later[d] == nil {
			return // lost in the meantime
		}
		delete(h.later, d)
		h.queue = append(h.queue, d)
		h.signal()
	})
}

func (h *hub) post(ctx context.Context, d *delivery) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, "", err
	}
	req.Header = d.header.Clone()
	res, err := h.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, string(body), err
}

// deliver queues an event for one App, if it subscribes and has an address. It needs f.mu.
func (f *Forge) deliver(a *app, inst *installation, r *repository, event string, payload obj) {
	if a.hookURL == "" || !a.subscribes(event) {
		return
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("emulator: payload of %s: %v", event, err)) // only values that JSON knows are put in
	}
	action, _ := payload["action"].(string)
	d := &delivery{app: a, url: a.hookURL,
		Delivery: Delivery{ID: f.newID(), GUID: newGUID(), Event: event, Action: action, At: f.now(), Payload: body}}
	if inst != nil {
		d.installation = inst.id
	}
	if r != nil {
		d.repository = r.id
	}
	d.header = a.hookHeaders(d)
	a.deliveries = append(a.deliveries, d)
	f.hub.push(d)
}

func (a *app) hookHeaders(d *delivery) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "GitHub-Hookshot/emulator")
	h.Set("Accept", "*/*")
	h.Set("X-GitHub-Event", d.Event)
	h.Set("X-GitHub-Delivery", d.GUID)
	h.Set("X-GitHub-Hook-ID", strconv.FormatInt(a.hookID, 10))
	h.Set("X-GitHub-Hook-Installation-Target-ID", strconv.FormatInt(a.id, 10))
	h.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	h.Set("X-Hub-Signature", "sha1="+sign(sha1.New, a.webhookSecret, d.Payload))
	h.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, a.webhookSecret, d.Payload))
	return h
}

func sign(algorithm func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(algorithm, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// newGUID is a random UUID, as GitHub's delivery ids are.
func newGUID() string {
	s := randomHex(16)
	return fmt.Sprintf("%s-%s-4%s-a%s-%s", s[:8], s[8:12], s[13:16], s[17:20], s[20:])
}

// Deliveries lists every attempt of the first App's webhook that has been made, oldest first.
func (f *Forge) Deliveries() []Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Delivery
	for _, d := range f.apps[0].deliveries {
		if d.done {
			out = append(out, d.Delivery)
		}
	}
	return out
}

// DropDeliveries loses every delivery for which drop returns true, as a network might; nil ends it.
func (f *Forge) DropDeliveries(drop func(event string) bool) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.hub.drop = drop
}

// Redeliver sends an earlier delivery of the first App again, with the same GUID and the same bytes.
func (f *Forge) Redeliver(guid string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.apps[0].deliveries {
		if d.GUID == guid {
			f.redeliver(d)
			return nil
		}
	}
	return fmt.Errorf("emulator: no delivery %q", guid)
}

// redeliver needs f.mu.
func (f *Forge) redeliver(d *delivery) {
	again := &delivery{Delivery: Delivery{ID: f.newID(), GUID: d.GUID, Event: d.Event, Action: d.Action,
		Redelivery: true, At: f.now(), Payload: d.Payload}, app: d.app, url: cmp.Or(d.app.hookURL, d.url),
		installation: d.installation, repository: d.repository, header: d.header, subscription: d.subscription, notification: d.notification}
	d.app.deliveries = append(d.app.deliveries, again)
	f.hub.push(again)
}

// Settle waits until everything that was queued has been sent or dropped.
func (f *Forge) Settle(ctx context.Context) error {
	for {
		f.hub.mu.Lock()
		idle, changed := len(f.hub.queue) == 0 && len(f.hub.later) == 0 && !f.hub.busy, f.hub.changed
		f.hub.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("emulator: waiting for webhooks: %w", ctx.Err())
		}
	}
}
