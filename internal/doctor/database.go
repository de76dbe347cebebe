package doctor

import (
	"context"
	"fmt"
	"sync"

	"github.com/coderflow/coderflow/internal/forge"
)

// databaseCheck looks at the database once, for its own finding and for what others need of it.
type databaseCheck struct {
	look  func(ctx context.Context) DatabaseFacts
	once  sync.Once
	facts DatabaseFacts
}

func (d *databaseCheck) ask(ctx context.Context) DatabaseFacts {
	d.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		d.facts = d.look(ctx)
	})
	return d.facts
}

// environments are none while there is no database: the server's first start makes it.
func (d *databaseCheck) environments(ctx context.Context) ([]Environment, error) {
	facts := d.ask(ctx)
	if facts.Err != nil {
		return nil, fmt.Errorf("the database does not answer: %w", facts.Err)
	}
	return facts.Environments, facts.ManifestErr
}

// repositories are those of the environments, once each.
func (d *databaseCheck) repositories(ctx context.Context) ([]forge.RepositoryRef, error) {
	facts := d.ask(ctx)
	if facts.Err != nil {
		return nil, fmt.Errorf("the database does not answer: %w", facts.Err)
	}
	return facts.Repositories, facts.ManifestErr
}

func (d *databaseCheck) finding(ctx context.Context) Finding {
	f := d.ask(ctx)
	const why = "tasks, approvals and the audit log are in it"
	var found Finding
	switch {
	case f.Missing:
		found = fine("%s is not there yet; the server makes it", f.Where)
	case f.Err != nil:
		found = problem(fmt.Sprintf("%s does not answer: %v", f.Where, f.Err), why, "start it, check the key database, and run as the server's user")
	case f.Found > f.Known:
		found = problem(fmt.Sprintf("%s has schema version %d, this program knows %d", f.Where, f.Found, f.Known),
			"a newer coderflow works on it, which this one could break", "install the newer coderflow")
	case f.Found == 0:
		found = fine("%s is empty; the server fills it", f.Where)
	case f.Found < f.Known:
		found = warning(fmt.Sprintf("%s has schema version %d, this program brings %d", f.Where, f.Found, f.Known),
			"the server migrates it when it starts", "back it up, then: coderflow migrate")
	case f.WriteErr != nil:
		found = problem(fmt.Sprintf("%s does not take writes: %v", f.Where, f.WriteErr), why, "check its disk and its permissions; for PostgreSQL, that it is no replica")
	case f.ManifestErr != nil:
		found = problem("the manifests in force cannot be read: "+f.ManifestErr.Error(), "no task can be decided on", "coderflow apply -f manifests/")
	default:
		found = fine("%s answers, takes writes and has schema version %d", f.Where, f.Found)
	}
	return found.with("found", f.Found).with("known", f.Known)
}
