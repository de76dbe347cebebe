package audit

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// backupForm begins the text of a signed backup. No log has such a name, so that
// nothing signed of a backup is a checkpoint.
const backupForm = "coderflow.dev/backup/v1"

// SignBackup vouches for a backup file by the digest that names it.
func (k Key) SignBackup(id string) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: backupForm + "\n" + k.Name() + "\n" + id + "\n"}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign the backup: %w", err)
	}
	return signed, nil
}

// CheckBackup reports whether the key that public verifies vouches for the backup.
func CheckBackup(signed []byte, public, id string) error {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return fmt.Errorf("the public key of the audit log cannot be read: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil || n.Text != backupForm+"\n"+verifier.Name()+"\n"+id+"\n" {
		return fmt.Errorf("the backup is not signed by the key of the audit log %s", verifier.Name())
	}
	return nil
}
