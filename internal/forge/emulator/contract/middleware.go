package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds what is kept of one body for checking, in bytes. A longer one is passed on whole and is a finding.
const maxBody = 16 << 20

// Middleware checks every request below pathPrefix, and the answer that next gives to it, and changes neither.
// "POST pathPrefix/graphql", or GitHub Enterprise Server's "POST /api/graphql" beside its prefix "/api/v3", is held
// against the GraphQL schema, everything else against the REST description.
func (v *Validator) Middleware(next http.Handler, pathPrefix string) http.Handler {
	pathPrefix = strings.TrimRight(pathPrefix, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, below := strings.CutPrefix(r.URL.EscapedPath(), pathPrefix)
		if r.URL.Path == "/api/graphql" && pathPrefix == "/api/v3" {
			rest, below = "/graphql", true
		}
		if !below || (rest != "" && rest[0] != '/') {
			next.ServeHTTP(w, r)
			return
		}
		body, err := readBody(r)
		if err != nil {
			v.report(Finding{Method: r.Method, Path: rest, Side: Request}, fault{message: err.Error()})
		}
		recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
		x := exchange{v: v, request: r, path: rest, requestBody: body, answer: recorded}
		check := x.checkRequest()
		next.ServeHTTP(recorded, r)
		check()
	})
}

// readBody takes the body for checking and puts it back for the handler.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), failing(err), r.Body), r.Body}
	if err != nil {
		return nil, fmt.Errorf("the body ends early: %w", err)
	}
	if len(text) > maxBody {
		return nil, errors.New("the body is too large to check")
	}
	return text, nil
}

// failing gives the handler the error that reading for it met; nil reads as empty.
func failing(err error) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		if err == nil {
			return 0, io.EOF
		}
		return 0, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// recorder keeps a copy of the answer while passing it on at once.
type recorder struct {
	http.ResponseWriter
	status   int
	wrote    bool
	body     bytes.Buffer
	overflow bool
}

func (w *recorder) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.wrote = true
	if w.body.Len()+len(p) > maxBody {
		w.overflow = true
	} else {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] flush and hijack.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush serves handlers that assert [http.Flusher].
func (w *recorder) Flush() {
	w.wrote = true
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// exchange is one request with its answer.
type exchange struct {
	v           *Validator
	request     *http.Request
	path        string // escaped, without the prefix
	requestBody []byte
	answer      *recorder
}

// checkRequest reports on the request and returns the check of the answer.
func (x *exchange) checkRequest() func() {
	r := x.request
	if r.Method == http.MethodPost && x.path == "/graphql" {
		return x.v.checkGraphQL(x)
	}
	about := Finding{Method: r.Method, Path: x.path, Side: Request}
	if r.UserAgent() == "" {
		x.v.report(about, fault{message: "a request without User-Agent is refused by GitHub"})
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, values := x.v.published.routes.find(method, describedPath(x.path))
	if op == nil {
		x.v.report(about, fault{message: "unknown operation: not in operations.txt"})
		return func() { x.checkUnknown() }
	}
	about.Operation = op.id
	x.v.saw(op.method+" "+op.path, caller(r.Header.Get("Authorization")))
	x.v.report(about, x.requestFaults(op, values)...)
	return func() { x.checkResponse(op) }
}

func (x *exchange) requestFaults(op *operation, values map[string]string) []fault {
	query, err := url.ParseQuery(x.request.URL.RawQuery)
	if err != nil {
		return []fault{{message: "the query cannot be read: " + err.Error()}}
	}
	faults, err := x.v.published.rest.checkParameters(op, values, query)
	if err != nil {
		return []fault{{message: err.Error()}}
	}
	return append(faults, x.requestBodyFaults(op)...)
}

func (x *exchange) requestBodyFaults(op *operation) []fault {
	described := object(op.spec, "requestBody")
	if len(x.requestBody) == 0 {
		if isTrue(described, "required") {
			return []fault{{message: "the body is missing"}}
		}
		return nil
	}
	if described == nil {
		return []fault{{message: "the operation takes no body"}}
	}
	if got := mediaType(x.request.Header); got != "application/json" {
		return []fault{{message: fmt.Sprintf("the body's Content-Type is %q, not application/json", got)}}
	}
	keys := append(append([]string{}, op.keys...), "requestBody", "content", "application/json", "schema")
	rest := x.v.published.rest
	schema, err := rest.at(keys...)
	if err != nil {
		return []fault{{message: err.Error()}}
	}
	faults := check(schema, x.requestBody)
	for _, key := range rest.unknownKeys(object(rest.doc, keys...), x.requestBody) {
		faults = append(faults, fault{"/" + key, "GitHub does not know this key"})
	}
	return faults
}
