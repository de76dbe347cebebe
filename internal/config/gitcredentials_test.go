package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeToken(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestGitCredentialsAreReadFromTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeToken(t, dir, "bot", "ghp_abc\n")
	writeToken(t, dir, "two", "ghp_abc\nghp_def\n")
	path := filepath.Join(dir, "coderflow.yaml")
	if err := os.WriteFile(path, []byte("dataDir: "+dir+"\ngitCredentials:\n  partner-bot: {tokenFile: bot}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{"CODERFLOW_GIT_CREDENTIALS_OTHER_BOT_TOKEN_FILE=" + filepath.Join(dir, "bot")})
	if err != nil || c.GitCredentials["partner-bot"].Reveal() != "ghp_abc" || c.GitCredentials["other-bot"].Reveal() != "ghp_abc" {
		t.Errorf("%v, %v", c.GitCredentials, err)
	}
	for text, want := range map[string]string{
		"gitCredentials: {Bot: {tokenFile: bot}}":            "as the name of a credential",
		"gitCredentials: {bot: {}}":                          "gitCredentials.bot.tokenFile: is required",
		"gitCredentials: {bot: {tokenFile: two}}":            "is not one token",
		"gitCredentials: {bot: {token: ghp_abc}}":            `unknown key "token"`,
		`admins: ["service:ci"]`:                             "service:ci is a service, which is never server admin",
		`admins: ["github:1", "service:ci", "oidc:entra/x"]`: "admins[1]",
	} {
		if err := os.WriteFile(path, []byte("dataDir: "+dir+"\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ghp_") {
			t.Errorf("%s: want %q, got %v", text, want, err)
		}
	}
}
