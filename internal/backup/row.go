package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// encodeRow is a row as one line: an array, which has no keys that could stand twice.
// A value is nil, int64, string or []byte, as its column says.
func (t Table) encodeRow(row []any) ([]byte, error) {
	if len(row) != len(t.Columns) {
		return nil, fmt.Errorf("a row of %s has %d values, not %d", t.Name, len(row), len(t.Columns))
	}
	line := []byte{'['}
	for i, value := range row {
		if i > 0 {
			line = append(line, ',')
		}
		column := t.Columns[i]
		switch v := value.(type) {
		case nil:
			line = append(line, "null"...)
			continue
		case int64:
			if column.Kind == Int {
				line = strconv.AppendInt(line, v, 10)
				continue
			}
		case string:
			if column.Kind == Text {
				if !utf8.ValidString(v) {
					return nil, fmt.Errorf("a text in %s.%s is not valid UTF-8: it was written past CoderFlow", t.Name, column.Name)
				}
				text, err := encode(v)
				if err != nil {
					return nil, err
				}
				line = append(line, bytes.TrimSuffix(text, []byte("\n"))...)
				continue
			}
		case []byte:
			if column.Kind == Bytes {
				line = append(line, '"')
				line = base64.StdEncoding.AppendEncode(line, v)
				line = append(line, '"')
				continue
			}
		}
		return nil, fmt.Errorf("a value of %s.%s is a %T and should be %s", t.Name, column.Name, value, column.Kind)
	}
	return append(line, "]\n"...), nil
}

// decodeRow reads one line that encodeRow wrote; any other spelling of the same values
// is refused. It takes the columns' values and no more, so that what it makes is never
// much larger than the line.
func (t Table) decodeRow(line []byte) ([]any, error) {
	row, rest, before := make([]any, 0, len(t.Columns)), line, byte('[')
	for _, column := range t.Columns {
		if len(rest) == 0 || rest[0] != before {
			return nil, fmt.Errorf("%w: a row of %s is not an array of %d values", ErrDamaged, t.Name, len(t.Columns))
		}
		n := 1 + scalar(rest[1:])
		value, ok := column.Kind.decode(rest[1:n])
		if !ok {
			return nil, fmt.Errorf("%w: a value of %s.%s is not of its kind, %s", ErrDamaged, t.Name, column.Name, column.Kind)
		}
		row, rest, before = append(row, value), rest[n:], ','
	}
	if string(rest) != "]\n" {
		return nil, fmt.Errorf("%w: a row of %s has something behind its %d values", ErrDamaged, t.Name, len(t.Columns))
	}
	if again, err := t.encodeRow(row); err != nil || !bytes.Equal(again, line) {
		return nil, fmt.Errorf("%w: a row of %s is not in the form in which it is written", ErrDamaged, t.Name)
	}
	return row, nil
}

// scalar is the length of the value that b begins with: a string to its closing quote,
// anything else to what ends it.
func scalar(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		if end := bytes.IndexAny(b, ",]\n"); end >= 0 {
			return end
		}
		return len(b)
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// decode makes of a value what the column holds.
func (k Kind) decode(raw []byte) (any, bool) {
	quoted := len(raw) >= 2 && raw[0] == '"' && raw[len(raw)-1] == '"'
	switch {
	case string(raw) == "null":
		return nil, true
	case k == Int:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return n, err == nil
	case k == Text && quoted:
		s := ""
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	case k == Bytes && quoted:
		// Empty is not null: it is a slice, whatever its length.
		b, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, raw[1:len(raw)-1])
		return b, err == nil
	}
	return nil, false
}
