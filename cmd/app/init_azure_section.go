package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/coderflow/coderflow/internal/config"
)

// azureSection is `azureDevOps:` in coderflow.yaml.
type azureSection struct {
	AzureDevOps struct {
		OrganizationURL string        `yaml:"organizationURL"`
		AllowHTTP       bool          `yaml:"allowHTTP,omitempty"`
		TokenFile       string        `yaml:"tokenFile,omitempty"`
		Entra           *entraSection `yaml:"entra,omitempty"`
		Webhook         struct {
			Username      string   `yaml:"username"`
			PasswordFiles []string `yaml:"passwordFiles"`
		} `yaml:"webhook"`
	} `yaml:"azureDevOps"`
}

type entraSection struct {
	TenantID         string `yaml:"tenantID"`
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	AuthorityURL     string `yaml:"authorityURL,omitempty"`
}

// section writes the configuration, or says what it lacks.
func (s *azureSetup) section(context.Context) error {
	files, err := s.passwordFiles()
	if err != nil {
		return err
	}
	if s.known != nil {
		return s.compare(files)
	}
	text, err := s.sectionText(files)
	if err != nil {
		return err
	}
	if s.cmd.Config == "" {
		s.say("\nPut this into coderflow.yaml:\n\n%s", text)
		return nil
	}
	if err := appendSection(s.cmd.Config, text); err != nil {
		return fmt.Errorf("write the section azureDevOps: %w; this is it:\n\n%s", err, text)
	}
	s.say("\nThe section azureDevOps is in %s now.", s.cmd.Config)
	return nil
}

func (s *azureSetup) sectionText(files []string) (string, error) {
	var section azureSection
	a := &section.AzureDevOps
	a.OrganizationURL, a.AllowHTTP, a.TokenFile = s.want.OrganizationURL, s.cmd.AllowHTTP, s.cmd.TokenFile
	if s.cmd.TenantID != "" {
		a.Entra = &entraSection{s.cmd.TenantID, s.cmd.ClientID, s.cmd.ClientSecretFile, s.cmd.AuthorityURL}
	}
	a.Webhook.Username, a.Webhook.PasswordFiles = s.want.Webhook.Username, files
	text, err := yaml.Marshal(section)
	return string(text), err
}

// compare says which passwords the configuration does not have. It is somebody's file, with
// their comments: what is there is not rewritten.
func (s *azureSetup) compare(files []string) error {
	var lacking []string
	for _, path := range files {
		password, err := config.ReadSecret(path)
		if err != nil {
			return err
		}
		if !slices.Contains(s.known.Webhook.Passwords, password) {
			lacking = append(lacking, path)
		}
	}
	if len(lacking) == 0 {
		s.say("\nThe configuration has the section azureDevOps and every password.")
		return nil
	}
	s.todo = append(s.todo, "passwords that the configuration lacks")
	s.say("\n    missing  the configuration lacks these; add them to azureDevOps.webhook.passwordFiles and restart the server:\n\n      - %s",
		strings.Join(lacking, "\n      - "))
	return nil
}

// appendSection adds the section to a file, which keeps its mode, or makes it. The file is
// in its place only once it was read back with the section.
func appendSection(path, text string) error {
	mode := fs.FileMode(0o600)
	old, err := os.ReadFile(path)
	switch info, statErr := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case statErr == nil:
		mode = info.Mode().Perm()
	}
	if n := len(old); n > 0 && old[n-1] != '\n' {
		old = append(old, '\n')
	}
	if len(old) > 0 {
		text = "\n" + text
	}
	next := filepath.Join(filepath.Dir(path), ".coderflow-init.yaml")
	defer os.Remove(next) //nolint:errcheck // gone, if all went well
	if err := writeDurably(next, append(old, text...), os.O_TRUNC); err != nil {
		return err
	}
	if cfg, err := config.Salvage(next, nil); cfg.AzureDevOps == nil {
		return fmt.Errorf("%s would not have it: %w", path, err)
	}
	if err := os.Chmod(next, mode); err != nil {
		return err
	}
	return errors.Join(os.Rename(next, path), syncDir(filepath.Dir(path)))
}
