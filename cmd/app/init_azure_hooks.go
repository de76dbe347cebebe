package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderflow/coderflow/internal/config"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/azuredevops"
)

const hookPath = "/webhooks/azuredevops"

// hooks makes the service hooks that are missing, each with a password of its own, which
// is on disk before Azure DevOps hears of it.
func (s *azureSetup) hooks(ctx context.Context) error {
	if err := os.MkdirAll(s.cmd.Out, 0o700); err != nil {
		return fmt.Errorf("make the directory for passwords: %w", err)
	}
	s.say("\nService hooks to %s, passwords in %s", s.public+hookPath, s.cmd.Out)
	hooks, err := s.admin.EnsureSubscriptions(ctx, s.cmd.Project, s.public+hookPath, s.want.Webhook.Username, s.password)
	for _, h := range hooks {
		s.hook(h)
	}
	if errors.Is(err, forge.ErrForbidden) {
		return fmt.Errorf("%w; that takes the right to edit subscriptions, which administrators of the project have: "+
			"give a token of one of them with --admin-token-file, it is used for this alone", err)
	}
	return err
}

func (s *azureSetup) hook(h azuredevops.Hook) {
	_, err := os.Lstat(s.passwordFile(h.Project, h.EventType))
	switch here := err == nil; {
	case h.State != azuredevops.HookWorks:
		s.say("    missing  %s", h.Says())
	case h.Changed:
		s.say("    made     %s in %s", h.EventType, h.Project)
	case here || s.known != nil && len(s.known.Webhook.Passwords) > 0:
		s.say("    ok       %s in %s", h.EventType, h.Project)
	default: // nobody tells a password again
		s.missing("%s in %s is there, and its password is not: delete the subscription %s under Project settings, Service hooks, and run this again", h.EventType, h.Project, h.ID)
	}
}

// password is the one of a service hook: the one that is there, or a new one.
func (s *azureSetup) password(project, event string) (forge.Secret, error) {
	path := s.passwordFile(project, event)
	if known, err := config.ReadSecret(path); !errors.Is(err, fs.ErrNotExist) {
		return known, err
	}
	fresh := rand.Text() + rand.Text()
	if err := writeDurably(path, []byte(fresh+"\n"), os.O_EXCL); err != nil {
		return "", fmt.Errorf("write the password of a service hook: %w", err)
	}
	return forge.Secret(fresh), nil
}

// passwordFile is named for its service hook. Names of projects may have any letters, and
// two of them may differ in those that a file's name leaves out.
func (s *azureSetup) passwordFile(project, event string) string {
	slug := func(text string) string {
		return strings.Trim(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(text)), "-")
	}
	sum := sha256.Sum256([]byte(strings.ToLower(project)))
	return filepath.Join(s.cmd.Out, "azure-devops-hook-"+strings.Trim(slug(project)+"-"+hex.EncodeToString(sum[:3]), "-")+"-"+slug(event))
}

// passwordFiles are those of this organization in the directory, sorted.
func (s *azureSetup) passwordFiles() ([]string, error) {
	var files []string
	for _, project := range s.cmd.Project {
		for _, event := range azuredevops.EventTypes() {
			path := s.passwordFile(project, event)
			switch _, err := os.Lstat(path); {
			case err == nil:
				files = append(files, path)
			case !errors.Is(err, fs.ErrNotExist):
				return nil, err
			}
		}
	}
	slices.Sort(files)
	return files, nil
}
