package github

import (
	"context"

	"github.com/coderflow/coderflow/internal/forge"
)

// ReadToken implements [forge.TokenSource].
func (a *Adapter) ReadToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return a.gitToken(ctx, ref, opFetch)
}

// PushToken implements [forge.TokenSource].
func (a *Adapter) PushToken(ctx context.Context, ref forge.RepositoryRef) (forge.Token, error) {
	return a.gitToken(ctx, ref, opPush)
}

// gitToken checks that the name still belongs to the id: a fetch needs no
// permission on a public repository that took over the name.
func (a *Adapter) gitToken(ctx context.Context, ref forge.RepositoryRef, op operation) (forge.Token, error) {
	if _, err := a.reader(ctx, ref, op); err != nil {
		return forge.Token{}, err
	}
	id, err := repositoryID(ref)
	if err != nil {
		return forge.Token{}, err
	}
	granted, err := a.tokens.token(ctx, ref, scope{repository: id, permissions: permissionsOf[op]})
	if err != nil {
		return forge.Token{}, err
	}
	return granted.token, nil
}

// GitURL implements [forge.TokenSource].
func (a *Adapter) GitURL(ref forge.RepositoryRef) string {
	return a.git + "/" + ref.Owner + "/" + ref.Name + ".git"
}
