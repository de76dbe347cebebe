package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
)

//go:embed static
var staticFiles embed.FS

// File is a style, a script or a picture of the console. Its address holds its
// content's hash, so that it may be kept for ever.
type File struct {
	Path string // "/static/HASH/NAME"
	Type string
	Data []byte
	Gzip []byte
}

var (
	files  = readStatic()
	byPath = func() map[string]File {
		all := map[string]File{}
		for _, f := range files {
			all[f.Path] = f
		}
		return all
	}()
)

func readStatic() map[string]File {
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // it is not embedded
	}
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	all := map[string]File{}
	for _, e := range entries {
		kind := types[path.Ext(e.Name())]
		if kind == "" { // a licence
			continue
		}
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err) // it is not embedded
		}
		sum := sha256.Sum256(data)
		all[e.Name()] = File{Path: "/static/" + hex.EncodeToString(sum[:8]) + "/" + e.Name(), Type: kind, Data: data, Gzip: compress(data)}
	}
	return all
}

func compress(data []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is wrong
	}
	if _, err := w.Write(data); err != nil {
		panic(err) // into memory
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// StaticPath is the address of a file.
func StaticPath(name string) string { return files[name].Path }

// Static is the file at an address.
func Static(address string) (File, bool) {
	f, known := byPath[address]
	return f, known
}
