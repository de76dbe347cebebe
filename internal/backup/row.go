package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
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

// decodeRow reads one line.
func (t Table) decodeRow(line []byte) ([]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var values []any
	if err := decoder.Decode(&values); err != nil || len(values) != len(t.Columns) {
		return nil, fmt.Errorf("%w: a row of %s is not an array of %d values", ErrDamaged, t.Name, len(t.Columns))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: a row of %s has something behind it", ErrDamaged, t.Name)
	}
	for i := range values {
		value, ok := t.Columns[i].Kind.take(values[i])
		if !ok {
			return nil, fmt.Errorf("%w: a value of %s.%s is not of its kind, %s", ErrDamaged, t.Name, t.Columns[i].Name, t.Columns[i].Kind)
		}
		values[i] = value
	}
	return values, nil
}

// take makes a decoded value what the column holds.
func (k Kind) take(value any) (any, bool) {
	switch v := value.(type) {
	case nil:
		return nil, true
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil && k == Int
	case string:
		if k == Text {
			return v, true
		}
		b, err := base64.StdEncoding.Strict().DecodeString(v)
		return b, err == nil && k == Bytes
	}
	return nil, false
}
