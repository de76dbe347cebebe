package web

import (
	"context"
	"mime"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/telemetry"
)

// maxDelivery is the largest body a forge sends: GitHub caps payloads at 25 MB,
// https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap.
const maxDelivery = 25 << 20

// acceptTime bounds how long a delivery waits to be stored; with the storing itself it is less than the forge waits:
// GitHub gives up after 10 s (Azure DevOps later), https://docs.github.com/webhooks/using-webhooks/best-practices-for-using-webhooks.
const acceptTime = 5 * time.Second

// basicChallenge asks for a user name and a password, RFC 7617.
const basicChallenge = `Basic realm="coderflow", charset="UTF-8"`

// source is whose deliveries a row takes.
type source struct {
	Webhook
	refusal string // what somebody hears who proves nothing
	// challenge is set where the headers are the whole proof: then it comes before the body.
	challenge string
}

func (s *server) refuse(r *http.Request, from source, reason error) error {
	s.Logger.WarnContext(r.Context(), "delivery refused", "remote", r.RemoteAddr, "path", r.URL.Path, "reason", reason)
	return &apiError{status: http.StatusUnauthorized, text: from.refusal, challenge: from.challenge}
}

// webhook accepts a delivery: read bounded, verify, translate, store, 202. A
// database that does not answer makes it 503, so that the forge shows the
// delivery as failed and it can be sent again. Nothing answers 410, by which a
// forge would end its subscription.
func (s *server) webhook(w source) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if w.challenge != "" {
			if err := w.Verify(r.Header, nil); err != nil {
				return s.refuse(r, w, err)
			}
		}
		if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
			return echo.NewHTTPError(http.StatusUnsupportedMediaType, "want Content-Type application/json; set the webhook's content type to it")
		}
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
			return echo.NewHTTPError(http.StatusUnsupportedMediaType, "compressed deliveries are not accepted")
		}
		if s.Busy != nil && s.Busy() {
			return s.notTaken(r, engine.ErrBusy)
		}
		held := &parcel{memory: s.bodies}
		defer held.discard()
		if err := s.readDelivery(c, held); err != nil {
			return err
		}
		body := held.body.Bytes()
		if err := w.Verify(r.Header, body); err != nil {
			return s.refuse(r, w, err)
		}
		d, err := w.Delivery(r.Header, body)
		if err != nil {
			s.Logger.WarnContext(r.Context(), "delivery not understood", "reason", err)
			return echo.NewHTTPError(http.StatusBadRequest, "the delivery is not what the forge documents")
		}
		d.ReceivedAt = s.Now().UTC()
		r = r.WithContext(telemetry.With(r.Context(), telemetry.About{Delivery: d.ID}))
		c.SetRequest(r) // so that the log names it whatever becomes of it
		ctx, cancel := context.WithTimeout(r.Context(), acceptTime)
		defer cancel()
		if err := s.Inbox.Accept(ctx, d); err != nil {
			return s.notTaken(r, err)
		}
		return c.NoContent(http.StatusAccepted)
	}
}
