package contracttest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/emulator/contract/contracttest"
)

// fakeTest is a test that can fail without failing the one that runs it.
type fakeTest struct {
	testing.TB
	cleanups []func()
	errors   int
}

func (f *fakeTest) Helper()               {}
func (f *fakeTest) Cleanup(end func())    { f.cleanups = append(f.cleanups, end) }
func (f *fakeTest) Errorf(string, ...any) { f.errors++ }

func (f *fakeTest) end() int {
	for _, cleanup := range f.cleanups {
		cleanup()
	}
	return f.errors
}

func TestWatchFailsTheTestOnAFinding(t *testing.T) {
	t.Parallel()
	good, bad := &fakeTest{TB: t}, &fakeTest{TB: t}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	})
	for _, test := range []struct {
		t    *fakeTest
		path string
	}{{good, "/api/v3/repos/o/r/labels"}, {bad, "/api/v3/repos/o/r/teapots"}} {
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		r.Header.Set("User-Agent", "test")
		contracttest.Watch(test.t).Middleware(answer).ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := good.end(); n != 0 {
		t.Errorf("a good exchange made %d errors", n)
	}
	if bad.end() == 0 {
		t.Error("an unknown route did not fail the test")
	}
	delivered := &fakeTest{TB: t}
	contracttest.Watch(delivered).OnDelivery("issues", nil, []byte(`{"action":"opened"}`))
	if delivered.end() == 0 {
		t.Error("a wrong delivery did not fail the test")
	}
}
