package contract

import (
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mediaType is the Content-Type without parameters; it is empty if there is none or it cannot be read.
func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// checkUnknown reports an answer to an unknown operation other than a refusal.
func (x *exchange) checkUnknown() {
	about := Finding{Method: x.request.Method, Path: x.path, Side: Response, Status: x.answer.status}
	if x.answer.status != http.StatusNotFound {
		x.v.report(about, fault{message: "an operation that the description does not have was answered"})
	}
}

// checkResponse holds the answer against what the description promises for its status.
func (x *exchange) checkResponse(op *operation) {
	about := Finding{
		Method: x.request.Method, Path: x.path, Operation: op.id, Side: Response, Status: x.answer.status,
	}
	x.v.report(about, x.responseFaults(op)...)
}

func (x *exchange) responseFaults(op *operation) []fault {
	status := x.answer.status
	rest := x.v.published.rest
	keys := append(slices.Clone(op.keys), "responses", strconv.Itoa(status))
	described, keys := resolve(rest.doc, object(rest.doc, keys...), keys)
	if described == nil {
		if generalAnswers[status] == "" {
			return []fault{{message: "the description has no such status"}}
		}
		keys = nil
	}
	faults := x.headerFaults(described)
	switch {
	case x.answer.overflow:
		return append(faults, fault{message: "the body is too large to check"})
	case x.request.Method == http.MethodHead:
		return faults
	case status == http.StatusNoContent || status == http.StatusNotModified:
		if x.answer.body.Len() > 0 {
			faults = append(faults, fault{message: "the status allows no body"})
		}
		return faults
	case described == nil && status >= 500:
		return faults
	case described == nil:
		return append(faults, x.jsonFaults("components", "schemas", "basic-error")...)
	}
	return append(faults, x.contentFaults(object(described, "content"), keys)...)
}

// contentFaults picks the described content by the answer's media type.
func (x *exchange) contentFaults(content map[string]any, keys []string) []fault {
	got := mediaType(x.answer.Header())
	if content == nil {
		if x.answer.body.Len() > 0 && !isJSON(got) {
			return []fault{{message: "the description promises no body, but there is one of type " + got}}
		}
		return nil
	}
	if textual(x.request.Header.Values("Accept")) && !isJSON(got) {
		return nil // a diff, a patch or a raw file, as asked for: any text
	}
	if _, ok := content[got]; !ok {
		if !isJSON(got) {
			return []fault{{message: fmt.Sprintf("the Content-Type %q is not described", got)}}
		}
		got = "application/json"
	}
	if object(content, got)["schema"] == nil {
		return nil
	}
	return x.jsonFaults(append(slices.Clone(keys), "content", got, "schema")...)
}

func (x *exchange) jsonFaults(keys ...string) []fault {
	if got := mediaType(x.answer.Header()); !isJSON(got) {
		return []fault{{message: fmt.Sprintf("the Content-Type is %q, not JSON", got)}}
	}
	schema, err := x.v.published.rest.at(keys...)
	if err != nil {
		return []fault{{message: err.Error()}}
	}
	return check(schema, x.answer.body.Bytes())
}

func isJSON(kind string) bool {
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// textual tells whether a request asked for one of GitHub's media types that are not JSON.
func textual(accept []string) bool {
	return slices.ContainsFunc(accept, func(value string) bool {
		return asksForText.MatchString(value)
	})
}

var asksForText = regexp.MustCompile(`application/vnd\.github(\.v3)?\.(diff|patch|raw|sha|html)\b`)

// linkHeader is the form of GitHub's pagination header (RFC 8288).
var linkHeader = regexp.MustCompile(`^<https?://[^>]+>; rel="(next|prev|first|last)"(, <https?://[^>]+>; rel="(next|prev|first|last)")*$`)

// headerFaults checks the headers that clients of GitHub act on.
func (x *exchange) headerFaults(described map[string]any) []fault {
	var faults []fault
	header := x.answer.Header()
	if link := header.Get("Link"); link != "" && !linkHeader.MatchString(link) {
		faults = append(faults, fault{message: fmt.Sprintf("the Link header %q is not one of pages", link)})
	}
	if x.answer.status >= 500 {
		return faults
	}
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		value := header.Get(name)
		if _, err := strconv.ParseInt(value, 10, 64); err != nil && (value != "" || object(described, "headers")[name] != nil) {
			faults = append(faults, fault{message: fmt.Sprintf("the header %s is %q, not a number", name, value)})
		}
	}
	return faults
}
