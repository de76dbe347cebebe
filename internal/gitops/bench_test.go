package gitops

import (
	"fmt"
	"testing"
)

func BenchmarkBuildTreeOn10kFiles(b *testing.B) {
	var files []file
	for i := range 10_000 {
		files = append(files, text(fmt.Sprintf("pkg%02d/dir%02d/file%d.go", i%50, i%7, i), fmt.Sprintf("package p\n\nconst c = %d\n", i)))
	}
	g, _, base := newBase(b, files...)
	for b.Loop() {
		changes := []Change{gone("pkg00/dir00/file0.go")}
		for i := range 50 {
			changes = append(changes, put(fmt.Sprintf("new/file%d.go", i), "package new\n"))
		}
		if _, err := g.BuildTree(b.Context(), buildRequest(base, changes...)); err != nil {
			b.Fatal(err)
		}
	}
}
