package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxBody bounds the body of a row that does not say otherwise.
const maxBody = 64 << 10

// form is the JSON object that a row takes as its body.
type form struct {
	most  int64 // bytes
	fresh func() any
	keys  []string
}

// taking declares a body of type T, a struct whose fields have JSON tags.
func taking[T any](most int64) *form {
	f := &form{most: most, fresh: func() any { return new(T) }}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		f.keys = append(f.keys, name)
	}
	return f
}

// bodyOf is the body of a row that declared it.
func bodyOf[T any](c *call) *T { return c.body.(*T) }

// readBody reads the body that the row declares. A row that declares none takes
// none, or an empty object where the method has a body.
func (c *call) readBody() error {
	r := c.Request()
	most := int64(maxBody)
	if c.row.body != nil {
		most = c.row.body.most
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, most))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &apiError{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is larger than %d KiB", most>>10)}
	}
	if err != nil {
		return bad("the body could not be read")
	}
	if len(body) == 0 {
		if c.row.body != nil {
			return bad("this takes a JSON object as its body")
		}
		return nil
	}
	if r.Method == http.MethodGet {
		return bad("this takes no body")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON || r.Header.Get(echo.HeaderContentEncoding) != "" {
		return &apiError{status: http.StatusUnsupportedMediaType, text: "want a body of type application/json, not compressed"}
	}
	if c.row.body == nil {
		if strict(body, new(struct{}), nil) != nil {
			return bad("want no body or an empty JSON object")
		}
		return nil
	}
	c.body = c.row.body.fresh()
	if err := strict(body, c.body, c.row.body.keys); err != nil {
		return bad(err.Error())
	}
	return nil
}

// strict decodes one JSON object in which every key is known, spelled exactly,
// and there once: another reader would take the last of two, or neither.
func strict(body []byte, into any, keys []string) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return errors.New("want a JSON object as the body")
	}
	seen := map[string]bool{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return errors.New("the body is not JSON")
		}
		name, _ := key.(string)
		if !slices.Contains(keys, name) {
			return fmt.Errorf("unknown key in the body; this takes %s", strings.Join(keys, ", "))
		}
		if seen[name] {
			return fmt.Errorf("the key %s is in the body twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return errors.New("the body is not JSON")
		}
	}
	decoder = json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if _, after := decoder.Token(); err == nil && !errors.Is(after, io.EOF) {
		err = errors.New("something follows the JSON object")
	}
	if mistyped := (*json.UnmarshalTypeError)(nil); errors.As(err, &mistyped) {
		return fmt.Errorf("the value of %s in the body has the wrong type", mistyped.Field)
	}
	return err
}
