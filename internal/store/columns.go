package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// instant is a point in time as a column: UTC, microseconds, NULL for the zero
// time. Both databases take and compare this text.
type instant struct{ time.Time }

const instantFormat = "2006-01-02T15:04:05.000000Z"

func at(t time.Time) instant { return instant{t.UTC().Truncate(time.Microsecond)} }

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil
	}
	return i.UTC().Format(instantFormat), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		i.Time = time.Time{}
	case time.Time:
		i.Time = v.UTC()
	case []byte:
		return i.Scan(string(v))
	case string:
		parsed, err := time.Parse(instantFormat, v)
		if err != nil {
			return fmt.Errorf("a stored time: %w", err)
		}
		i.Time = parsed
	default:
		return fmt.Errorf("a stored time has type %T", value)
	}
	return nil
}

// text makes a string that a forge or an agent chose fit for a text column:
// neither database takes NUL, and PostgreSQL takes no broken UTF-8.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// encoder encodes several values as JSON and keeps the first error. A value
// must also decode: one that does not would make every list that contains it
// unreadable.
type encoder struct{ err error }

func encode[T any](e *encoder, name string, value T) string {
	if e.err != nil {
		return ""
	}
	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(encoded, new(T))
	}
	if err != nil {
		e.err = fmt.Errorf("encode %s: %w", name, err)
		return ""
	}
	return string(encoded)
}

// decoder is the reverse of [encoder].
type decoder struct{ err error }

func decode[T any](d *decoder, name, encoded string, into *T) {
	if d.err != nil {
		return
	}
	if err := json.Unmarshal([]byte(encoded), into); err != nil {
		d.err = fmt.Errorf("decode the stored %s: %w", name, err)
	}
}
