package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseLeaf reads an entry from its line in the tree. A line that [Entry.Leaf] would
// not have written, or in which a key is there twice, is refused: two readers could
// take it for two entries.
func ParseLeaf(leaf []byte) (Entry, error) {
	var read struct {
		line
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(leaf, &read); err != nil {
		return Entry{}, fmt.Errorf("read an audit entry: %w", err)
	}
	at, err := time.Parse(leafTime, read.At)
	if err != nil {
		return Entry{}, fmt.Errorf("read the time of audit entry %d: %w", read.Seq, err)
	}
	e := Entry{Seq: read.Seq, At: at, Actor: read.Actor, Action: read.Action, Task: read.Task, Environment: read.Environment, Detail: read.Detail}
	again, err := e.Leaf()
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(again, leaf) {
		return Entry{}, fmt.Errorf("audit entry %d is not written as the log writes it", e.Seq)
	}
	if err := uniqueKeys(e.Detail); err != nil {
		return Entry{}, fmt.Errorf("the detail of audit entry %d: %w", e.Seq, err)
	}
	return e, nil
}

// maxNesting bounds the depth of an entry's detail.
const maxNesting = 64

// uniqueKeys fails if an object of the text has a key twice, in any letters: our own
// reader takes "A" for "a". It takes some letters beyond ASCII for ones of ASCII too,
// so there are none.
func uniqueKeys(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	type level struct {
		keys map[string]bool // nil in a list
		key  bool            // a key comes next
	}
	var open []level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		last := len(open) - 1
		if last >= 0 && open[last].key {
			if name, is := token.(string); is {
				if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
					return fmt.Errorf("the key %.100q is not of ASCII letters", name)
				}
				folded := string(bytes.ToLower([]byte(name)))
				if open[last].keys[folded] {
					return fmt.Errorf("the key %.100q is there twice", name)
				}
				open[last].keys[folded], open[last].key = true, false
				continue
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, key: true})
			if len(open) > maxNesting {
				return errors.New("it is nested too deeply")
			}
			continue
		case json.Delim('['):
			open = append(open, level{})
			if len(open) > maxNesting {
				return errors.New("it is nested too deeply")
			}
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:last]
		}
		if last = len(open) - 1; last >= 0 && open[last].keys != nil {
			open[last].key = true
		}
	}
}
