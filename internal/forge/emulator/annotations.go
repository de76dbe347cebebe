package emulator

import (
	"net/http"
	"slices"
)

// annotation is one remark of a check run on lines of a file.
type annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title"`
	RawDetails  string `json:"raw_details"`
}

// Limits of GitHub, in annotations of one request and bytes of a text.
const (
	maxAnnotations     = 50
	maxAnnotationText  = 64 << 10
	maxAnnotationTitle = 255
)

// annotate adds annotations: GitHub never replaces those that are there.
func (cr *checkRun) annotate(more []annotation) error {
	if len(more) > maxAnnotations {
		return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nNo more than %d items are allowed; %d were supplied.", maxAnnotations, len(more))
	}
	for _, a := range more {
		switch {
		case a.Path == "" || a.Message == "" || a.StartLine < 1 || a.EndLine < a.StartLine:
			return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nAn annotation needs a path, lines and a message.")
		case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
			return failure(http.StatusUnprocessableEntity, "Invalid request.\n\n%s is not a member of [\"notice\", \"warning\", \"failure\"].", a.Level)
		case (a.StartColumn != nil || a.EndColumn != nil) && a.StartLine != a.EndLine:
			return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nColumns are for annotations of one line.")
		case len(a.Message) > maxAnnotationText || len(a.RawDetails) > maxAnnotationText || len([]rune(a.Title)) > maxAnnotationTitle:
			return failure(http.StatusUnprocessableEntity, "Invalid request.\n\nA text of an annotation is too long.")
		}
	}
	cr.annotations = append(cr.annotations, more...)
	return nil
}

func (c *call) listAnnotations() (response, error) {
	cr, err := c.wantedCheck()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, a := range cr.annotations {
		out = append(out, c.f.annotationJSON(c.repo, cr, a))
	}
	return pages(out)
}

func (f *Forge) annotationJSON(r *repository, cr *checkRun, a annotation) obj {
	return obj{
		"path": a.Path, "start_line": a.StartLine, "end_line": a.EndLine, "start_column": a.StartColumn, "end_column": a.EndColumn,
		"annotation_level": a.Level, "title": orNull(a.Title), "message": a.Message, "raw_details": orNull(a.RawDetails),
		"blob_href": f.base + "/" + r.fullName() + "/blob/" + cr.head + "/" + a.Path,
	}
}
