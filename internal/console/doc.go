// Package console is what people see of CoderFlow in a browser, made inert: the
// frame of every page, the templates, styles and scripts, and what turns an
// agent's output and a diff into HTML.
//
// It knows no HTTP and no rights: whoever renders a page decides first what is on
// it. Text that a forge, an agent or a repository wrote reaches HTML only through
// html/template or through the types of this package, which escape it, and loses
// what a reader could be misled by: control, direction and invisible characters.
package console

// Policy is the Content-Security-Policy under which every page works: nothing of
// others, no script or style but the files of this package, no frame, no base.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
