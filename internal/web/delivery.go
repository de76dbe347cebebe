package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/engine"
)

// maxBodies bounds the bytes of all deliveries that are being read, verified or stored: two of the largest, or
// thousands of usual ones.
const maxBodies = 64 << 20

// deliverAgain is when whoever sent a delivery that was not taken may try again.
const deliverAgain = 5 * time.Second

// errCrowded is a delivery for which there is no memory now.
var errCrowded = errors.New("too many bytes of deliveries are held already")

// memory is how many bytes may still be held.
type memory struct {
	mu   sync.Mutex
	free int64
}

func (m *memory) take(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.free {
		return false
	}
	m.free -= n
	return true
}

func (m *memory) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += n
}

// parcel is the body of a delivery. It is paid for as it comes, not as it is announced: announcing costs a stranger
// nothing.
type parcel struct {
	memory *memory
	body   bytes.Buffer
}

// Write implements io.Writer.
func (p *parcel) Write(piece []byte) (int, error) {
	if !p.memory.take(int64(len(piece))) {
		return 0, errCrowded
	}
	return p.body.Write(piece)
}

// discard frees what the body took.
func (p *parcel) discard() { p.memory.give(int64(p.body.Len())) }

// readDelivery reads a body into the parcel, which the caller discards.
func (s *server) readDelivery(c echo.Context, into *parcel) error {
	_, err := io.Copy(into, http.MaxBytesReader(c.Response(), c.Request().Body, maxDelivery))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return echo.NewHTTPError(http.StatusRequestEntityTooLarge, "the delivery is larger than 25 MiB")
	case errors.Is(err, errCrowded):
		return s.notTaken(c.Request(), err)
	case err != nil:
		return echo.NewHTTPError(http.StatusBadRequest, "the delivery could not be read")
	}
	return nil
}

// notTaken is the answer to a delivery of which nothing is stored. Under a flood there are many: the log says so a few
// times.
func (s *server) notTaken(r *http.Request, why error) error {
	if s.refusals.take(r.URL.Path) == 0 {
		s.Logger.ErrorContext(r.Context(), "deliveries are not taken, they have to be sent again", "path", r.URL.Path, "error", why)
	}
	text := "the delivery could not be stored; send it again"
	if errors.Is(why, engine.ErrBusy) || errors.Is(why, errCrowded) {
		text = "too many deliveries at once; send it again"
	}
	return &apiError{status: http.StatusServiceUnavailable, text: text, retry: deliverAgain, logged: true}
}
