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
		if strict(body, new(struct{}), []string{}) != nil {
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
	if err := unique(decoder, keys, maxBodyDepth); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	decoder = json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if mistyped := (*json.UnmarshalTypeError)(nil); errors.As(err, &mistyped) {
		return fmt.Errorf("the value of %s in the body has the wrong type", line(mistyped.Field, maxShownValue))
	}
	if err != nil {
		return errors.New("the body has an unknown key, or is not JSON")
	}
	return nil
}

// maxBodyDepth is more than any body has.
const maxBodyDepth = 8

var errNotJSON = errors.New("the body is not JSON")

// unique reads an object, with these keys only, in which no key is there twice,
// at any depth.
func unique(d *json.Decoder, keys []string, depth int) error {
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return errors.New("want a JSON object as the body")
	}
	return members(d, keys, depth)
}

// members reads an object from behind its brace on; keys nil: any.
func members(d *json.Decoder, keys []string, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		name, is := key.(string)
		switch {
		case err != nil || !is:
			return errNotJSON
		case keys != nil && !slices.Contains(keys, name):
			return fmt.Errorf("unknown key in the body; this takes %s", strings.Join(keys, ", "))
		case seen[name]:
			return fmt.Errorf("the key %s is in the body twice", line(name, maxShownValue))
		}
		seen[name] = true
		if err := value(d, depth-1); err != nil {
			return err
		}
	}
	return closed(d)
}

func value(d *json.Decoder, depth int) error {
	first, err := d.Token()
	switch {
	case err != nil:
		return errNotJSON
	case depth == 0:
		return errors.New("the body is nested too deep")
	case first == json.Delim('{'):
		return members(d, nil, depth)
	case first == json.Delim('['):
		for d.More() {
			if err := value(d, depth-1); err != nil {
				return err
			}
		}
		return closed(d)
	}
	return nil
}

func closed(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}
