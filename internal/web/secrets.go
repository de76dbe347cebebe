package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// StoredSecret is what is known of a secret besides what it says.
type StoredSecret struct {
	secret.Slot
	Canary  bool      `json:"canary"`
	Version int64     `json:"version"`
	SetAt   time.Time `json:"setAt"`
	SetBy   string    `json:"setBy"`
}

// SecretChange is a secret that somebody sets or removes, for the audit log.
type SecretChange struct {
	Slot secret.Slot
	// Canary says that what is set is a decoy; see secret.Value.AsCanary.
	Canary bool
	By     forge.Subject
	When   time.Time
	// Using and Request are the ids of the token that was used and of the request.
	Using, Request string
}

// SecretDesk keeps secrets. Nothing of it gives one back.
type SecretDesk interface {
	// StoredSecrets lists those of an environment, ordered.
	StoredSecrets(ctx context.Context, environment string) ([]StoredSecret, error)
	// SetSecret stores one in the place of what the slot has, audited.
	SetSecret(ctx context.Context, c SecretChange, content []byte) (StoredSecret, error)
	// RemoveSecret removes one, audited, or fails with task.ErrNotFound.
	RemoveSecret(ctx context.Context, c SecretChange) error
}

// secretBody names a secret of the environment that the query names.
type secretBody struct {
	Context secret.Context `json:"context"`
	Name    string         `json:"name"`
}

type newSecretBody struct {
	Context secret.Context `json:"context"`
	Name    string         `json:"name"`
	Content []byte         `json:"content"` // base64
	Canary  bool           `json:"canary"`
}

// listSecrets lists the secrets of the environments whose secrets the caller manages.
func listSecrets(c *call) error {
	environments := c.environments
	if name := c.query.Get("environment"); name != "" {
		if !slices.Contains(environments, name) {
			return errNoEnvironment
		}
		environments = []string{name}
	}
	list := page[StoredSecret]{Items: []StoredSecret{}}
	for _, environment := range environments {
		stored, err := c.s.API.SecretDesk.StoredSecrets(c.Request().Context(), environment)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, stored...)
	}
	return c.JSON(http.StatusOK, list)
}

func setSecret(c *call) error {
	in := bodyOf[newSecretBody](c)
	change, err := c.secretChange(in.Context, in.Name)
	if err != nil {
		return err
	}
	if _, err := secret.NewValue(in.Name, in.Content); err != nil {
		return bad(err.Error()) // it names the secret and does not say it
	}
	change.Canary = in.Canary
	stored, err := c.s.API.SecretDesk.SetSecret(c.Request().Context(), change, in.Content)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, stored)
}

func removeSecret(c *call) error {
	in := bodyOf[secretBody](c)
	change, err := c.secretChange(in.Context, in.Name)
	if err != nil {
		return err
	}
	err = c.s.API.SecretDesk.RemoveSecret(c.Request().Context(), change)
	if errors.Is(err, task.ErrNotFound) {
		return &apiError{status: http.StatusNotFound, text: "there is no such secret in the environment"}
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, change.Slot)
}

func (c *call) secretChange(context secret.Context, name string) (SecretChange, error) {
	change := SecretChange{
		Slot: secret.Slot{Environment: c.environment, Context: context, Name: name},
		By:   c.user.Subject, When: c.s.Now(), Using: c.token.ID, Request: requestID(c),
	}
	if err := change.Slot.Check(); err != nil {
		return change, bad(err.Error())
	}
	if _, known := c.rules.Environments[c.environment]; !known {
		return change, errNoEnvironment
	}
	return change, nil
}
