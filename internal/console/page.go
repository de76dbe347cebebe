package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Page is one page in the frame.
type Page struct {
	// Title is the page's own, without the product's name. It may be anybody's text.
	Title string
	// Section is the key of the part of the console that the page belongs to; see [Sections].
	Section string
	// Viewer is who looks; nil: nobody is signed in.
	Viewer *Viewer
	// Frozen are the lines of the banner that says what is frozen; none: nothing is.
	Frozen []string
	// Body is what the page's template shows, as .Body.
	Body any
}

// Viewer is a person at the console.
type Viewer struct {
	Login   string // display text; may be empty
	Subject string // host and number
	// Sections are the keys of those that the viewer may open.
	Sections []string
}

// Section is a part of the console.
type Section struct{ Key, Title, Path string }

// Sections are all parts, in the order of the navigation.
func Sections() []Section {
	return []Section{
		{"tasks", "Tasks", "/tasks"},
		{"environments", "Environments", "/environments"},
		{"deployments", "Deployments", "/deployments"},
		{"access", "Access", "/access"},
		{"audit", "Audit", "/audit"},
		{"system", "System", "/system"},
	}
}

// Nav are the sections that the viewer may open.
func (p Page) Nav() []Section {
	if p.Viewer == nil {
		return nil
	}
	var list []Section
	for _, s := range Sections() {
		for _, key := range p.Viewer.Sections {
			if s.Key == key {
				list = append(list, s)
			}
		}
	}
	return list
}

// Name is who the viewer is to a reader.
func (v *Viewer) Name() string {
	if v.Login != "" {
		return v.Login
	}
	return v.Subject
}

//go:embed templates
var templateFiles embed.FS

// pages are the templates by name: each the frame, what is shared, and its own.
var pages = parse()

func parse() map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/shared/*.html"))
	files, err := fs.Glob(templateFiles, "templates/pages/*.html")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	all := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		all[name] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, file))
	}
	return all
}

// Render writes a whole page: templates/pages/NAME.html defines its "main", in
// which the dot is the Page. Nothing is written if it fails.
func Render(w io.Writer, name string, p Page) error {
	return render(w, name, "frame", p)
}

// Fragment writes one block of a page's template, for a browser that has the rest.
func Fragment(w io.Writer, name, block string, data any) error {
	return render(w, name, block, data)
}

func render(w io.Writer, name, block string, data any) error {
	page, known := pages[name]
	if !known {
		return fmt.Errorf("render the page %q: there is no such template", name)
	}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, block, data); err != nil {
		return fmt.Errorf("render %s of the page %q: %w", block, name, err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the page %q: %w", name, err)
	}
	return nil
}
