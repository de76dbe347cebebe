package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/token"
)

// Context is a server under a name, with the token that goes there.
type Context struct {
	Name   string
	Server string // base address, as [ParseServer] takes it
	Token  token.Value
	// Subject is whose token the server said it is, HOST:ID. It is for the reader
	// alone; empty: not known.
	Subject string
}

// Contexts are those of one person on one machine, ordered by name.
type Contexts struct {
	// Chosen is the name of the current one; empty: none.
	Chosen string
	List   []Context
}

// Errors that callers branch on.
var (
	// ErrNoContext is a name under which there is nothing.
	ErrNoContext = errors.New("there is no such context")
	// ErrNotPrivate is a file of contexts that others could read or put in place.
	ErrNotPrivate = errors.New("the tokens in it may be known to others")
)

// DefaultPath is where contexts are kept: coderflow/contexts.yaml in the
// directory that the XDG Base Directory Specification names.
func DefaultPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the directory for contexts: %w", err)
	}
	return filepath.Join(dir, "coderflow", "contexts.yaml"), nil
}

// stored is the file. Tokens stand in it as they are: it is its owner's alone.
type stored struct {
	Current  string          `yaml:"current,omitempty"`
	Contexts []storedContext `yaml:"contexts"`
}

type storedContext struct {
	Name    string `yaml:"name"`
	Server  string `yaml:"server"`
	Subject string `yaml:"subject,omitempty"`
	Token   string `yaml:"token"`
}

// Load reads the contexts. No file is no contexts. A file that others can read,
// or that is a link, is refused with [ErrNotPrivate].
func Load(path string) (*Contexts, error) {
	text, err := readPrivate(path)
	if errors.Is(err, os.ErrNotExist) {
		return &Contexts{}, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; mend it or remove it", path, err)
	}
	return all, nil
}

func parse(text []byte) (*Contexts, error) {
	var in stored
	if err := yaml.UnmarshalWithOptions(text, &in, yaml.Strict()); err != nil {
		// The library's own words would quote the file, tokens and all.
		return nil, errors.New("it is not a file of contexts")
	}
	all := &Contexts{Chosen: in.Current}
	for _, c := range in.Contexts {
		value, err := token.Parse(c.Token)
		if err != nil {
			return nil, fmt.Errorf("context %q: %w", c.Name, err)
		}
		if err := all.Put(Context{Name: c.Name, Server: c.Server, Subject: c.Subject, Token: value}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Save writes the contexts in the place of what was, or leaves that as it is.
// Two that change contexts at once use [Edit].
func Save(path string, all *Contexts) error {
	out := stored{Current: all.Chosen, Contexts: []storedContext{}}
	for _, c := range all.List {
		out.Contexts = append(out.Contexts, storedContext{c.Name, c.Server, c.Subject, c.Token.Reveal()})
	}
	text, err := yaml.Marshal(out)
	if err == nil {
		_, err = parse(text) // never a file that cannot be read again
	}
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	return writePrivate(path, text)
}

// Edit reads the contexts, changes them and writes them, one at a time of all
// processes. An error of change leaves the file as it is.
func Edit(path string, change func(*Contexts) error) error {
	return locked(path, func() error {
		all, err := Load(path)
		if err != nil {
			return err
		}
		if err := change(all); err != nil {
			return err
		}
		return Save(path, all)
	})
}

// contextName keeps names free of what shells and paths give a meaning.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// subject is HOST:ID, in characters that a file and a terminal show as they are.
var subject = regexp.MustCompile(`^[a-z]+:[!-~]{1,300}$`)

// Put adds a context, or replaces that of the same name.
func (all *Contexts) Put(c Context) error {
	if !contextName.MatchString(c.Name) {
		return fmt.Errorf("context name %q: want up to 64 letters, digits, dots, dashes", c.Name)
	}
	if c.Subject != "" && !subject.MatchString(c.Subject) {
		return fmt.Errorf("context %s: %q is no subject", c.Name, c.Subject)
	}
	base, err := ParseServer(c.Server)
	if err != nil {
		return fmt.Errorf("context %s: %w", c.Name, err)
	}
	c.Server = base.String()
	i, found := all.find(c.Name)
	if found {
		all.List[i] = c
	} else {
		all.List = slices.Insert(all.List, i, c)
	}
	return nil
}

// Remove takes a context away; if it was the current one, there is none then.
func (all *Contexts) Remove(name string) error {
	i, found := all.find(name)
	if !found {
		return all.unknown(name)
	}
	all.List = slices.Delete(all.List, i, i+1)
	if all.Chosen == name {
		all.Chosen = ""
	}
	return nil
}

// Use makes a context the current one.
func (all *Contexts) Use(name string) error {
	if _, found := all.find(name); !found {
		return all.unknown(name)
	}
	all.Chosen = name
	return nil
}

// Get finds a context by its name.
func (all *Contexts) Get(name string) (Context, error) {
	i, found := all.find(name)
	if !found {
		return Context{}, all.unknown(name)
	}
	return all.List[i], nil
}

// Current is the context that commands take when none is named; ok is false if
// none was chosen. A chosen one that is not there is an error.
func (all *Contexts) Current() (c Context, ok bool, err error) {
	if all.Chosen == "" {
		return Context{}, false, nil
	}
	c, err = all.Get(all.Chosen)
	return c, err == nil, err
}

func (all *Contexts) find(name string) (int, bool) {
	return slices.BinarySearchFunc(all.List, name, func(c Context, name string) int { return strings.Compare(c.Name, name) })
}

func (all *Contexts) unknown(name string) error {
	names := make([]string, len(all.List))
	for i, c := range all.List {
		names[i] = c.Name
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: %q; there are none, `coderflow context add` makes one", ErrNoContext, name)
	}
	return fmt.Errorf("%w: %q; there are: %s", ErrNoContext, name, strings.Join(names, ", "))
}
