package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coderflow/coderflow/internal/forge"
)

// CheckCredential implements [forge.Credentials]: the token reads the repository,
// by its id behind its name, and GitHub says what it may do there. A token that
// GitHub lets read and not push is refused for a push here, before git tries.
func (a *Adapter) CheckCredential(ctx context.Context, ref forge.RepositoryRef, credential forge.Secret, push bool) error {
	if _, err := repositoryID(ref); err != nil {
		return err
	}
	found, err := fetchRepository(ctx, a.client(&given{a, credential}), ref)
	if err != nil {
		return err
	}
	level := map[bool]string{true: "push", false: "pull"}[push]
	if !found.GetPermissions()[level] {
		return fmt.Errorf("%s to %s: the credential's account has no such access: %w", level, ref.FullName(), forge.ErrForbidden)
	}
	return nil
}

// given sends with a credential that an administrator gave. Its answers are kept
// by nobody: whose they are depends on the credential.
type given struct {
	adapter    *Adapter
	credential forge.Secret
}

// RoundTrip implements http.RoundTripper.
func (t *given) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.adapter.limits.check(administrators); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	authorized := req.Clone(req.Context())
	authorized.Header.Set("Authorization", "Bearer "+t.credential.Reveal())
	res, err := t.adapter.wire.RoundTrip(authorized)
	if err != nil {
		return nil, err
	}
	res.Request = req // without the credential, for what errors hold
	if err := t.adapter.limits.observe(administrators, res); err != nil {
		return nil, err
	}
	return res, nil
}
