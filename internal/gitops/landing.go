package gitops

import (
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

// Landing is all that decides what the commit of an approval says, to the byte.
type Landing struct {
	Tree, Parent string
	Author       forge.User // who approved
	Committer    Identity
	At           time.Time // both dates, whole seconds
	Message      string
}

func (l Landing) text() commitText {
	message := l.Message
	if !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	return commitText{
		tree: l.Tree, parent: l.Parent, author: authorOf(l.Author), committer: l.Committer, unix: l.At.Unix(), message: message,
	}
}

// Object is the commit object and the id that git gives it.
func (l Landing) Object() (id string, content []byte, err error) {
	text := l.text()
	if err := text.check(); err != nil {
		return "", nil, err
	}
	return text.id(), []byte(text.String()), nil
}
