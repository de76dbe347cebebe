// Command trim cuts GitHub's published descriptions down to the part that package contract holds CoderFlow to.
//
// It reads four packages of the Octokit project as they are published, each a .tgz file downloaded beforehand, and
// writes the files that package contract embeds. The same input gives the same bytes.
//
//	go run ./internal/forge/emulator/contract/trim \
//	    -rest octokit-openapi-23.0.2.tgz -webhooks octokit-openapi-webhooks-12.1.0.tgz \
//	    -examples octokit-webhooks-examples-7.6.1.tgz -graphql octokit-graphql-schema-15.26.1.tgz \
//	    -dir internal/forge/emulator/contract
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	var in sources
	flag.StringVar(&in.rest, "rest", "", "package @octokit/openapi, a .tgz file")
	flag.StringVar(&in.webhooks, "webhooks", "", "package @octokit/openapi-webhooks, a .tgz file")
	flag.StringVar(&in.examples, "examples", "", "package @octokit/webhooks-examples, a .tgz file")
	flag.StringVar(&in.graphql, "graphql", "", "package @octokit/graphql-schema, a .tgz file")
	dir := flag.String("dir", ".", "directory of package contract")
	flag.Parse()
	if err := run(in, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "trim:", err)
		os.Exit(1)
	}
}

// sources names the four packages.
type sources struct{ rest, webhooks, examples, graphql string }

// run writes data/ from the packages; a package left out keeps what was written from it before.
func run(in sources, dir string) error {
	steps := []struct {
		name, source, target string
		make                 func(pkg *archive, dir string) ([]byte, error)
	}{
		{"REST description", in.rest, "rest.json.gz", trimREST},
		{"webhook description", in.webhooks, "webhooks.json.gz", trimWebhooks},
		{"webhook examples", in.examples, "examples.json.gz", trimExamples},
		{"GraphQL schema", in.graphql, "schema.graphql.gz", trimGraphQL},
	}
	for _, step := range steps {
		if step.source == "" {
			continue
		}
		pkg, err := openArchive(step.source)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		text, err := step.make(pkg, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		target := filepath.Join(dir, "data", step.target)
		size, err := writeGzip(target, text)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("%-20s %s %s: %d bytes, %d compressed\n", step.name, pkg.name, pkg.version, len(text), size)
	}
	return nil
}

// writeGzip writes text compressed and without a time stamp, and returns the compressed size in bytes.
func writeGzip(path string, text []byte) (int, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return 0, fmt.Errorf("compressing %s: %w", path, err)
	}
	if _, err := w.Write(text); err != nil {
		return 0, fmt.Errorf("compressing %s: %w", path, err)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("compressing %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	return packed.Len(), nil
}

// compact is JSON without white space and with sorted keys.
func compact(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return out.Bytes(), nil
}
