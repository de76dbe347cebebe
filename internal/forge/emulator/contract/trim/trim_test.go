package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pack writes a package of the given members and opens it.
func pack(t *testing.T, members map[string]string) *archive {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	tarred := tar.NewWriter(zipped)
	members["package/package.json"] = `{"name":"@octokit/openapi","version":"1.2.3"}`
	for name, text := range members {
		if err := tarred.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tarred.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tarred.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "package.tgz")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	pkg, err := openArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

const description = `{"openapi":"3.0.3","info":{"version":"1"},
"paths":{
  "/a":{"get":{"operationId":"a","summary":"prose","responses":{"200":{"description":"prose",
    "content":{"application/json":{"schema":{"$ref":"#/components/schemas/one"},"example":{"title":1}}}}}},
    "post":{"operationId":"unwanted"}},
  "/b":{"get":{"operationId":"unwanted"}}},
"components":{"schemas":{
  "one":{"type":"object","title":"prose","properties":{"title":{"type":"string","description":"prose"},
    "next":{"$ref":"#/components/schemas/two"}}},
  "two":{"type":"array","items":{"$ref":"#/components/schemas/two"}},
  "three":{"type":"string"}}}}`

func lists(t *testing.T, operations string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "operations.txt"), []byte(operations), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTrimKeepsOperationsAndWhatTheyReachWithoutProse(t *testing.T) {
	t.Parallel()
	pkg := pack(t, map[string]string{described: description})
	text, err := trimREST(pkg, lists(t, "# kept\nGET /a\n"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) != 1 || len(doc.Paths["/a"]) != 1 || doc.Paths["/a"]["get"] == nil {
		t.Errorf("paths: %v", doc.Paths)
	}
	schemas := doc.Components.Schemas
	if _, ok := schemas["two"]; len(schemas) != 2 || !ok {
		t.Errorf("schemas: %v", schemas)
	}
	if schemas["one"].Properties["title"] == nil {
		t.Error("a property with the name of a keyword was dropped")
	}
	for _, unwanted := range []string{"prose", "unwanted", "example"} {
		if strings.Contains(string(text), unwanted) {
			t.Errorf("%q was kept in %s", unwanted, text)
		}
	}
	if !strings.Contains(string(text), `"version":"1.2.3"`) {
		t.Errorf("the source is not named in %s", text)
	}
}

func TestTrimRefusesAnOperationThatTheDescriptionDoesNotHave(t *testing.T) {
	t.Parallel()
	pkg := pack(t, map[string]string{described: description})
	_, err := trimREST(pkg, lists(t, "PUT /a\n"))
	if err == nil || !strings.Contains(err.Error(), "PUT /a") {
		t.Errorf("the error is %v", err)
	}
}

func TestTrimNamesAPackageWithoutTheDescription(t *testing.T) {
	t.Parallel()
	_, err := trimREST(pack(t, map[string]string{}), lists(t, "GET /a\n"))
	if err == nil || !strings.Contains(err.Error(), described) {
		t.Errorf("the error is %v", err)
	}
}
