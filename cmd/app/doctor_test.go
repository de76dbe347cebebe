package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/doctor"
)

// examineInstallation runs coderflow doctor and returns its exit status, too.
func examineInstallation(t *testing.T, configuration string) (doctorReport, int) {
	t.Helper()
	began := time.Now()
	out, err := exec.Command(binary, "doctor", "--json", "--config", configuration).Output()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	status := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	var report doctorReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if report.Schema != "coderflow.dev/doctor/v1" || len(report.Findings) < 20 {
		t.Errorf("%+v", report)
	}
	return report, status
}

func found(report doctorReport) map[string]doctor.Finding {
	list := map[string]doctor.Finding{}
	for _, f := range report.Findings {
		list[f.Check] = f
	}
	return list
}

func TestDoctorExaminesAnInstallationWhoseServerRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report, status := examineInstallation(t, w.in.config)
	for _, f := range report.Findings {
		if f.Level == doctor.Problem {
			t.Errorf("%s: %s (%s)", f.Check, f.Said, f.Fix)
		}
	}
	if status != 0 {
		t.Errorf("status %d", status)
	}
	all := found(report)
	for check, want := range map[string]string{
		"configuration": "coderflow.yaml", "database": "takes writes", "app-permissions": "every permission", "images": "coderflow/sandbox:dev",
		"probe-container": "hardened as it should be", "installations": "installed for", "guest-helper": "static program", "clock": "differs",
	} {
		if f := all[check]; !strings.Contains(f.Said, want) {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "data", "doctor-*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %q, %v", left, err)
	}
	if w.server.exited() {
		t.Error("the server ended")
	}
	text, err := exec.Command(binary, "doctor", "--config", w.in.config).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "\n0 problems, ") || strings.Contains(string(text), "✓") {
		t.Errorf("as text: %v\n%s", err, text)
	}
}

func TestDoctorOfABrokenInstallationSaysWhatItCan(t *testing.T) {
	t.Parallel()
	w := newStoppedWorld(t)
	info := w.hub.Info()
	if err := os.Chmod(info.PrivateKeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	report, status := examineInstallation(t, w.in.config)
	all := found(report)
	if f := all["configuration"]; status != 1 || f.Level != doctor.Problem || !strings.Contains(f.Said, "chmod 600 "+info.PrivateKeyFile) {
		t.Errorf("status %d, %+v", status, f)
	}
	for check, want := range map[string]doctor.Level{
		"docker-engine": doctor.OK, "forge": doctor.OK, "database": doctor.OK, "git": doctor.OK, "probe-container": doctor.OK, "app": doctor.Problem,
	} {
		if f := all[check]; f.Level != want {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "data", "coderflow.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it made a database: %v", err)
	}
}
