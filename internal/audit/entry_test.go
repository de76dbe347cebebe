package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/forge"
)

func TestEntryIsInUTCAndKeepsNoSecret(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	e, err := audit.New(at, audit.System, audit.PushDone, map[string]any{"token": forge.Secret("hunter2"), "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	if e.At.Location() != time.UTC || !e.At.Equal(at) {
		t.Errorf("time %v", e.At)
	}
	var detail map[string]any
	if err := json.Unmarshal(e.Detail, &detail); err != nil || detail["token"] != "[redacted]" {
		t.Errorf("detail %s: %v", e.Detail, err)
	}
}

func TestWhatCannotBeWrittenDownIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := audit.New(time.Now(), audit.System, audit.PushIntent, func() {}); err == nil {
		t.Error("an intent that cannot be encoded was taken")
	}
}
