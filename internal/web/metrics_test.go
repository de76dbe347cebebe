package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestMetricsAreForThisMachineOnly(t *testing.T) {
	t.Parallel()
	figures := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures") })
	handler := New(Options{Metrics: figures, MetricsFrom: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	for name, c := range map[string]struct {
		from   string
		header string
		want   int
	}{
		"here":                 {"127.0.0.1:5", "", http.StatusOK},
		"here, IPv6":           {"[::1]:5", "", http.StatusOK},
		"elsewhere":            {"192.0.2.1:5", "", http.StatusForbidden},
		"a named network":      {"198.51.100.9:5", "", http.StatusOK},
		"the same, mapped":     {"[::ffff:198.51.100.9]:5", "", http.StatusOK},
		"a proxy there":        {"198.51.100.9:5", "X-Forwarded-For", http.StatusForbidden},
		"through a proxy":      {"127.0.0.1:5", "X-Forwarded-For", http.StatusForbidden},
		"through another one":  {"127.0.0.1:5", "Forwarded", http.StatusForbidden},
		"an address like none": {"@", "", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = c.from
		if c.header != "" {
			r.Header.Set(c.header, "203.0.113.9")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}
