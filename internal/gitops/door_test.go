package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every program is started in one place, and none of the commands that read or
// write a work tree is ever used.
func TestOneDoorToGitAndNoWorkTree(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		content, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{`"apply"`, `"checkout"`, `"checkout-index"`, `"add"`, `"worktree"`, `"am"`, `"clone"`, `"reset"`, `"stash"`, `"merge"`, `"submodule"`, `"status"`, `"sh"`} {
			if strings.Contains(string(content), forbidden) {
				t.Errorf("%s uses %s", source, forbidden)
			}
		}
		if starts := strings.Count(string(content), "exec.Command"); starts > 0 && (source != "command.go" || starts > 1) {
			t.Errorf("%s starts programs %d times", source, starts)
		}
		for _, other := range []string{"os.StartProcess", "syscall.Exec", "ForkExec"} {
			if strings.Contains(string(content), other) {
				t.Errorf("%s uses %s", source, other)
			}
		}
	}
}
