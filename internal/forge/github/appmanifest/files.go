package appmanifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	gh "github.com/google/go-github/v62/github"
)

// The files in Options.Dir.
const (
	keyFile     = "github-private-key.pem"
	webhookFile = "github-webhook-secret"
	oauthFile   = "github-oauth-client-secret"
)

// secretFiles is a directory in which the files above can be made.
type secretFiles struct{ dir string }

// prepare finds out before anything is registered whether secrets can be written.
func prepare(dir string) (secretFiles, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return secretFiles{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return secretFiles{}, err
	}
	for _, name := range []string{keyFile, webhookFile, oauthFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return secretFiles{}, fmt.Errorf("%s exists: this machine has an App already; move the file away to register another",
				filepath.Join(dir, name))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return secretFiles{}, err
		}
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return secretFiles{}, err
	}
	return secretFiles{dir}, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// keep writes the App's secrets. If that fails they go to a new directory instead,
// which the error names: GitHub shows them only once.
func (s secretFiles) keep(o Options, app *gh.AppConfig) (Result, error) {
	secrets := map[string]string{keyFile: app.GetPEM(), webhookFile: app.GetWebhookSecret()}
	if app.GetClientSecret() != "" {
		secrets[oauthFile] = app.GetClientSecret()
	}
	result := resultOf(o, app, s.dir)
	err := writeAll(s.dir, secrets)
	if err == nil {
		return result, nil
	}
	rescue, rescueErr := os.MkdirTemp("", "coderflow-github-app-") // mode 0700
	if rescueErr == nil {
		rescueErr = writeAll(rescue, secrets)
	}
	if rescueErr != nil {
		return Result{}, fmt.Errorf("the App %d (%s) is registered, but its secrets could not be written: make new ones at %s: %w",
			app.GetID(), app.GetSlug(), app.GetHTMLURL(), errors.Join(err, rescueErr))
	}
	return Result{}, fmt.Errorf("the App %d (%s) is registered, but its secrets could not be written to %s; they are in %s, move them from there: %w",
		app.GetID(), app.GetSlug(), s.dir, rescue, err)
}

func writeAll(dir string, secrets map[string]string) error {
	for name, secret := range secrets {
		if err := writeNew(filepath.Join(dir, name), secret); err != nil {
			return err
		}
	}
	return nil
}

// writeNew makes a file that did not exist, follows no link to one, and returns
// when the bytes are on disk.
func writeNew(path, secret string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(secret)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // half a secret is worse than none
	}
	return nil
}
