package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// AuditLog is what the server vouches for of its audit log. It says how many
// entries there are and nothing of what they say.
type AuditLog interface {
	// Checkpoint is the newest signed note; nil before the first.
	Checkpoint() []byte
	// PublicKey verifies the notes, in the form of a note verifier's key.
	PublicKey() string
}

func (s *server) checkpoint(c echo.Context) error {
	note := s.Audit.Checkpoint()
	if note == nil {
		return echo.NewHTTPError(http.StatusNotFound, "no checkpoint was signed yet")
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", note)
}

func (s *server) auditKey(c echo.Context) error {
	return c.String(http.StatusOK, s.Audit.PublicKey()+"\n")
}
