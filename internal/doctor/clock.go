package doctor

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// clockCheck sends one request to a forge, without a credential: every answer has a
// Date, whatever its status.
type clockCheck struct {
	url    string // empty: no forge is configured
	client *http.Client
	now    func() time.Time

	asked sync.Once
	date  clockReading
}

type clockReading struct {
	forge  time.Time
	ours   time.Time // in the middle of the request
	status int
	err    error
}

func (c *clockCheck) read(ctx context.Context) clockReading {
	c.asked.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		began := c.now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
		if err != nil {
			c.date.err = err
			return
		}
		res, err := c.client.Do(req)
		if err != nil {
			c.date.err = err
			return
		}
		_ = res.Body.Close()
		c.date.status, c.date.ours = res.StatusCode, began.Add(c.now().Sub(began)/2)
		c.date.forge, c.date.err = http.ParseTime(res.Header.Get("Date"))
	})
	return c.date
}

// maxSkew is how far GitHub lets the times in an App's tokens be off.
const maxSkew = 30 * time.Second

// finding compares the clocks; see names the check that tells whether the forge answers.
func (c *clockCheck) finding(ctx context.Context, see string) Finding {
	const why = "the forge refuses tokens whose times are off, and approvals are dated by this clock"
	if c.url == "" {
		return warning("the clock cannot be compared: no forge is configured", why, "configure the forge first")
	}
	read := c.read(ctx)
	if read.forge.IsZero() {
		return warning("the clock cannot be compared: the forge does not say its time", why, "see the finding "+see+", and: timedatectl")
	}
	skew := read.ours.Sub(read.forge).Round(time.Second)
	found := fine("differs from the forge's by %s", skew.Abs())
	if skew.Abs() > maxSkew {
		direction := "ahead of"
		if skew < 0 {
			direction = "behind"
		}
		found = problem(fmt.Sprintf("this machine's clock is %s %s the forge's", skew.Abs(), direction), why, "turn on time synchronisation: timedatectl set-ntp true")
	}
	return found.with("seconds", int64(skew.Seconds()))
}
