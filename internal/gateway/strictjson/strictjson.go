// Package strictjson reads JSON of strangers so that no other reader can see
// something else in it: RFC 8259 to the letter, valid UTF-8, no key twice in an
// object, nothing after the value, bounded depth and size. What was read is
// written anew, so that what goes on is what was inspected.
package strictjson

import (
	"errors"
	"fmt"
)

// Limits of a document. A node is a value of any kind.
const (
	MaxDepth = 128
	MaxNodes = 400_000
)

// ErrLimit says that a document is too deep or has too many values.
var ErrLimit = errors.New("the JSON is too deep or has too many values")

// Error is a text that is not strict JSON.
type Error struct {
	Offset int // bytes
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Kind of a value.
type Kind uint8

// The kinds. Literal stands for numbers, true, false and null.
const (
	Literal Kind = iota
	String
	Array
	Object
)

// Node is a value. The zero Node is not one.
type Node struct {
	Kind Kind
	// Text is a string's decoded text, or the literal as it was written.
	Text string
	// raw is a string as it was written, without its quotes, where that is what
	// Append would write; empty otherwise. Whoever changes Text clears it.
	raw     string
	Items   []*Node
	Members []Member
}

// Member is an entry of an object; Key is decoded.
type Member struct {
	Key   string
	Value *Node
}

// Get is the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Members {
		if n.Members[i].Key == key {
			return n.Members[i].Value
		}
	}
	return nil
}

// Set gives a key a value, in its place or at the end.
func (n *Node) Set(key string, value *Node) {
	for i := range n.Members {
		if n.Members[i].Key == key {
			n.Members[i].Value = value
			return
		}
	}
	n.Members = append(n.Members, Member{Key: key, Value: value})
}

// Delete removes a key.
func (n *Node) Delete(key string) {
	for i := range n.Members {
		if n.Members[i].Key == key {
			n.Members = append(n.Members[:i:i], n.Members[i+1:]...)
			return
		}
	}
}

// IsString says that the value is a string.
func (n *Node) IsString() bool { return n != nil && n.Kind == String }

// IsObject says that the value is an object.
func (n *Node) IsObject() bool { return n != nil && n.Kind == Object }

// IsArray says that the value is an array.
func (n *Node) IsArray() bool { return n != nil && n.Kind == Array }

// IsNull says that there is no value, or null.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Literal && n.Text == "null" }

// True says that the value is true.
func (n *Node) True() bool { return n != nil && n.Kind == Literal && n.Text == "true" }

// NewLiteral is a number, true, false or null.
func NewLiteral(text string) *Node { return &Node{Kind: Literal, Text: text} }

// NewString is a string.
func NewString(text string) *Node { return &Node{Kind: String, Text: text} }
