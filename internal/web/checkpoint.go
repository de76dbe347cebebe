package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/coderflow/coderflow/internal/audit"
)

// AuditLog is what the server vouches for of its audit log. It says how many
// entries there are and nothing of what they say.
type AuditLog interface {
	// Checkpoint is the newest signed note; nil before the first.
	Checkpoint() []byte
	// PublicKey verifies the notes, in the form of a note verifier's key.
	PublicKey() string
	// Signed is the size of the newest note; 0 before the first.
	Signed(ctx context.Context) (size int64, err error)
	// Inclusion and Consistency are proofs about logs that are at most of that size.
	Inclusion(ctx context.Context, entry, size int64) (audit.Inclusion, error)
	Consistency(ctx context.Context, from, to int64) (audit.Consistency, error)
	// Prove gives a note of a log that has the entry, signed now if need be, and
	// the proof that it has.
	Prove(ctx context.Context, entry int64) (note []byte, proof audit.Inclusion, err error)
}

// auditRoutes are for everybody: hashes and numbers.
func (s *server) auditRoutes() []route {
	return []route{
		{http.MethodGet, "/audit/checkpoint", open, s.checkpoint},
		{http.MethodGet, "/audit/key", open, s.auditKey},
		{http.MethodGet, "/audit/proof", open, s.inclusion},
		{http.MethodGet, "/audit/consistency", open, s.consistency},
	}
}

func (s *server) checkpoint(c echo.Context) error {
	note := s.Audit.Checkpoint()
	if note == nil {
		return errUnsigned
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", note)
}

func (s *server) auditKey(c echo.Context) error {
	return c.String(http.StatusOK, s.Audit.PublicKey()+"\n")
}

var errUnsigned = echo.NewHTTPError(http.StatusNotFound, "no checkpoint was signed yet")

// inclusion proves that the log of a size has an entry; of the size of the newest
// checkpoint, if none is named. What was not signed is not proven.
func (s *server) inclusion(c echo.Context) error {
	query, signed, err := s.proofQuery(c, "entry", "size")
	if err != nil {
		return err
	}
	size, err := query.number("size", signed, 1, signed)
	if err != nil {
		return err
	}
	entry, err := query.number("entry", 0, 1, size)
	if err != nil {
		return err
	}
	proof, err := s.Audit.Inclusion(c.Request().Context(), entry, size)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, proof)
}

// consistency proves that the log only grew between two sizes.
func (s *server) consistency(c echo.Context) error {
	query, signed, err := s.proofQuery(c, "from", "to")
	if err != nil {
		return err
	}
	to, err := query.number("to", signed, 0, signed)
	if err != nil {
		return err
	}
	from, err := query.number("from", -1, 0, to)
	if err != nil {
		return err
	}
	proof, err := s.Audit.Consistency(c.Request().Context(), from, to)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, proof)
}

// proofQuery reads a question of a stranger, and the size of the newest checkpoint.
func (s *server) proofQuery(c echo.Context, names ...string) (proofQuery, int64, error) {
	if s.proofs != nil {
		if wait := s.proofs.take(address(c.Request())); wait > 0 {
			return nil, 0, tooMany(wait, "too many proofs for this address")
		}
	}
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, 0, bad("the query cannot be read")
	}
	for name, values := range query {
		if !slices.Contains(names, name) || len(values) != 1 {
			return nil, 0, bad(fmt.Sprintf("this takes %s and %s, each once", names[0], names[1]))
		}
	}
	signed, err := s.Audit.Signed(c.Request().Context())
	if err == nil && signed == 0 {
		err = errUnsigned
	}
	return proofQuery(query), signed, err
}

type proofQuery url.Values

// number reads a parameter between two bounds. One whose fallback is below them
// must be there.
func (q proofQuery) number(name string, fallback, least, most int64) (int64, error) {
	text := url.Values(q).Get(name)
	if text == "" && fallback >= least {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, bad(fmt.Sprintf("%s: want a number between %d and %d; the newest signed checkpoint is at /audit/checkpoint", name, least, most))
	}
	return n, nil
}
