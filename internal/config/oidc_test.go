package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProvidersOfSignInAreRead(t *testing.T) {
	t.Parallel()
	path := write(t, minimal+"oidc:\n  entra:\n    issuer: https://login.example.com/t/v2.0\n    clientID: abc\n    clientSecretFile: SECRET\n    subjectClaim: oid\n    scopes: [profile]\n")
	secret := filepath.Join(filepath.Dir(path), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{
		"CODERFLOW_OIDC_ENTRA_CLIENT_SECRET_FILE=" + secret, "CODERFLOW_OIDC_MY_HOUSE_ISSUER=http://127.0.0.1:1/x/", "CODERFLOW_OIDC_MY_HOUSE_CLIENT_ID=me",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.OIDC) != 2 {
		t.Fatalf("%+v", c.OIDC)
	}
	entra, own := c.OIDC[0], c.OIDC[1]
	if entra.Name != "entra" || entra.Title != "entra" || entra.ClientSecret.Reveal() != "hush" || entra.SubjectClaim != "oid" || len(entra.Scopes) != 1 {
		t.Errorf("%+v", entra)
	}
	if own.Name != "my-house" || own.Issuer != "http://127.0.0.1:1/x/" || own.SubjectClaim != "sub" || own.ClientSecret != "" {
		t.Errorf("%+v", own)
	}
}

func TestProvidersOfSignInThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{Entra: {issuer: 'https://x', clientID: a}}":                        "want a lower-case letter",
		"{github: {issuer: 'https://x', clientID: a}}":                       "this name is taken",
		"{x: {issuer: 'http://x', clientID: a}}":                             "oidc.x.issuer: want https",
		"{x: {clientID: a}}":                                                 "issuer",
		"{x: {issuer: 'https://x'}}":                                         "clientID",
		"{x: {issuer: 'https://x', clientID: a, subjectClaim: email}}":       "can be changed",
		"{x: {issuer: 'https://x', clientID: a, clientSecretFile: nowhere}}": "cannot be read",
		"{x: {issuer: 'https://x', clientID: a, scopes: ['a b']}}":           "is not a scope",
		"{x: {issuer: 'https://x', clientID: a, clientSecret: hush}}":        "unknown key",
		"{x: {issuer: 'https://x', clientID: a, title: \"a\\nb\"}}":          "on one line",
		"{x: {issuer: 'https://user:pw@x', clientID: a}}":                    "must not hold a user",
	} {
		_, err := Load(write(t, minimal+"oidc: "+text+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
