package risk

import (
	"context"
	"strings"
	"testing"
)

// BenchmarkScan reads a megabyte of each language as a file that is added. The line
// of a million characters is one that nobody wrote.
func BenchmarkScan(b *testing.B) {
	for name, c := range map[string]struct{ path, line string }{
		"sql":     {"m.sql", "INSERT INTO users (id, name, note) VALUES (17, 'Ada', 'it''s --not a comment'), (18, 'Grace', NULL); -- two\n"},
		"shell":   {"x.sh", "for f in \"$DIR\"/*.txt; do grep -q \"token\" \"$f\" && cp \"$f\" \"${OUT:-out}/$(basename \"$f\")\"; done # each\n"},
		"go":      {"x.go", "\tif err := w.adapter.SetGate(ctx, ref, gate); err != nil { return fmt.Errorf(\"set the gate's check: %w\", err) } // why\n"},
		"yaml":    {"x.yaml", "      - name: build\n        run: make build TOKEN=${{ secrets.TOKEN }} && ./deploy --env \"$ENV\"\n        with: {key: value}\n"},
		"hcl":     {"x.tf", "resource \"aws_instance\" \"web\" {\n  ami = \"ami-123\" # the image\n  tags = { Name = \"web\" }\n}\n"},
		"text":    {"x.md", "The password of the database is in the vault; see https://example.com/secret?token=none for what that means.\n"},
		"oneline": {"x.sql", "TRUNCATE ( DELETE FROM x ( "},
	} {
		in := whole(c.path, strings.Repeat(c.line, 1+(1<<20)/len(c.line)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in.New)))
			for b.Loop() {
				Statements(context.Background(), in)
				Secrets(context.Background(), in)
			}
		})
	}
}
