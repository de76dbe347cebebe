package forge_test

import (
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestAzureNamesAreThoseThatTheServiceAllows(t *testing.T) {
	t.Parallel()
	for name, valid := range map[string]bool{
		"shop": true, "Web Shop (2)": true, "Büro-Werkzeug": true, "a.b": true, "a_b": true, "!x": true, strings.Repeat("ü", 64): true,
		"": false, " shop": false, "shop ": false, "_shop": false, ".shop": false, "shop.": false, strings.Repeat("a", 65): false,
		"a/b": false, `a\b`: false, "a'b": false, `a"b`: false, "a`b": false, "a%2fb": false, "a:b": false, "a#b": false, "a?b": false,
		"a\nb": false, "a\x00b": false, "a\tb": false, "a\u202eb": false, "a\u200bb": false, "a\U0001f600": false, "a\xffb": false,
		"Web": true, "bin": true, // kept from projects by the service itself; a repository may have them
	} {
		if err := forge.CheckAzureName(name); (err == nil) != valid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for full, valid := range map[string]bool{
		"Web Shop/cash desk": true, "shop/shop": true,
		"shop": false, "shop/": false, "/shop": false, "acme/shop/desk": false, "../shop": false, "shop/..": false,
	} {
		if err := forge.CheckAzureRepository(full); (err == nil) != valid {
			t.Errorf("%q: %v", full, err)
		}
	}
}

func TestIDsAreOfTheirHost(t *testing.T) {
	t.Parallel()
	const guid = "0f8fad5b-d9cb-469f-a165-70867728950e"
	for _, c := range []struct {
		host, id string
		valid    bool
	}{
		{forge.GitHub, "7", true}, {forge.AzureDevOps, guid, true}, {forge.GitHub, guid, false}, {forge.AzureDevOps, "7", false},
		{forge.AzureDevOps, strings.ToUpper(guid), false}, {"gitlab", "7", false}, {"", "", false},
	} {
		if got := forge.ValidID(c.host, c.id); got != c.valid {
			t.Errorf("%s %s: %v", c.host, c.id, got)
		}
	}
}
