package emulator

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// heldResponse keeps the answer to a push until the report in it has been given the service's reasons: git's own
// backend knows only that a hook declined, while Azure DevOps says why for each ref, and nothing on the side.
type heldResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldResponse) WriteHeader(status int)         { h.status = status }
func (h *heldResponse) Write(data []byte) (int, error) { return h.body.Write(data) }

// release sends the answer with the reasons.
func (h *heldResponse) release(reasons map[string]string) {
	body := withReasons(h.body.Bytes(), reasons)
	h.Header().Del("Content-Length")
	if h.status != 0 {
		h.ResponseWriter.WriteHeader(h.status)
	}
	_, _ = h.ResponseWriter.Write(body)
}

// packets takes a stream of pkt-lines apart (gitprotocol-common(5)); a nil entry is a flush. It returns nil for
// anything else.
func packets(data []byte) [][]byte {
	var out [][]byte
	for len(data) >= 4 {
		n, err := strconv.ParseUint(string(data[:4]), 16, 16)
		switch {
		case err != nil || n > uint64(len(data)) || n > 0 && n < 4:
			return nil
		case n == 0:
			out, data = append(out, nil), data[4:]
		default:
			out, data = append(out, data[4:n]), data[n:]
		}
	}
	if len(data) > 0 {
		return nil
	}
	return out
}

func packet(data []byte) []byte { return append(fmt.Appendf(nil, "%04x", len(data)+4), data...) }

const (
	bandReport = 1
	flushPkt   = "0000"
)

// withReasons puts reasons by ref into the report of a push, which comes in the first band.
func withReasons(body []byte, reasons map[string]string) []byte {
	if len(reasons) == 0 {
		return body
	}
	var out, report []byte
	for _, p := range packets(body) {
		switch {
		case len(p) > 0 && p[0] == bandReport:
			report = append(report, p[1:]...)
		case p != nil:
			out = append(out, packet(p)...)
		}
	}
	lines := packets(report)
	if lines == nil {
		return body
	}
	var rewritten []byte
	for _, line := range lines {
		if line == nil {
			rewritten = append(rewritten, flushPkt...)
			continue
		}
		if fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), " ", 3); len(fields) == 3 && fields[0] == "ng" && reasons[fields[1]] != "" {
			line = []byte("ng " + fields[1] + " " + reasons[fields[1]] + "\n")
		}
		rewritten = append(rewritten, packet(line)...)
	}
	out = append(out, packet(append([]byte{bandReport}, rewritten...))...)
	return append(out, flushPkt...)
}
