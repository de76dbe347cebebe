package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/config"
)

const secretsKeyFile = "secrets.key"

// keyFiles are the files of the data directory that are sealed in a backup.
var keyFiles = []string{auditKeyFile, secretsKeyFile}

// maxSealedKey bounds a key file that was sealed.
const maxSealedKey = 1 << 20

// recipients are whom keys are sealed to.
type recipients []*age.X25519Recipient

func recipientsOf(texts []string) (list recipients, err error) {
	for _, text := range texts {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, usage("--recipient %q is no public age key: it begins with age1, `age-keygen` makes one", text)
		}
		list = append(list, r)
	}
	return list, nil
}

func (r recipients) names() []string {
	names := make([]string, len(r))
	for i := range r {
		names[i] = r[i].String()
	}
	return names
}

// keys seals the key files that are there.
func (b backupRun) keys(w *backup.Writer) error {
	if len(b.recipients) == 0 {
		return nil
	}
	files := map[string][]byte{}
	for _, name := range keyFiles {
		content, err := os.ReadFile(filepath.Join(b.cfg.DataDir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("seal the keys: %w", err)
		}
		files[name] = content
	}
	inside, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	to := make([]age.Recipient, len(b.recipients))
	for i := range b.recipients {
		to[i] = b.recipients[i]
	}
	var sealed bytes.Buffer
	lock, err := age.Encrypt(&sealed, to...)
	if err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	if _, err := lock.Write(inside); err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	if err := lock.Close(); err != nil {
		return fmt.Errorf("seal the keys: %w", err)
	}
	return w.Keys(sealed.Bytes(), b.recipients.names())
}

// openKeys are the key files of a backup, opened with the identities of a file.
func openKeys(sealed []byte, identityFile string) (map[string][]byte, error) {
	text, err := os.ReadFile(identityFile)
	if err != nil {
		return nil, fmt.Errorf("--identity: %w", err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("--identity: %s is not a file of age identities", identityFile) // the cause could say a part of one
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		return nil, fmt.Errorf("the keys in the backup are not sealed to what %s has: %w", identityFile, err)
	}
	inside, err := io.ReadAll(io.LimitReader(r, 4*maxSealedKey))
	if err != nil {
		return nil, fmt.Errorf("open the keys in the backup: %w", err)
	}
	var all map[string][]byte
	if err := json.Unmarshal(inside, &all); err != nil {
		return nil, fmt.Errorf("%w: what is sealed in it are no keys", backup.ErrDamaged)
	}
	files := map[string][]byte{}
	for _, name := range keyFiles { // whatever else is in it becomes no file
		if content, is := all[name]; is && len(content) <= maxSealedKey {
			files[name] = content
		}
	}
	return files, nil
}

// auditKeyOf is the log's key in the data directory; nil if it is not there.
func auditKeyOf(cfg config.Config) (*audit.Key, error) {
	path := filepath.Join(cfg.DataDir, auditKeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the audit log: %w", err)
	}
	key, err := audit.ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &key, nil
}

// publicOf is the public half in what a file of the log's key says.
func publicOf(content []byte) (string, error) {
	key, err := audit.ParseKey(string(content))
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(key.Public()), nil
}
