package engine

import "testing"

func TestTestsAreCountedInTheTwoFormsThatAreKnown(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		output string
		want   testCounts
	}{
		"nothing":    {"all is well\n", testCounts{}},
		"TAP":        {"TAP version 13\n1..4\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP later\nnot ok 4 # todo\n    ok 1 - inner\n", testCounts{1, 1, 2}},
		"TAP, bare":  {"ok\nnot ok\r\n", testCounts{1, 1, 0}},
		"a word":     {"okay then\nnothing\n", testCounts{}},
		"go test":    {"ok  \texample.com/a\t0.1s\n", testCounts{}},
		"a hash":     {`ok 1 - issue \# SKIP` + "\n", testCounts{1, 0, 0}},
		"go as JSON": {`{"Action":"run","Package":"p","Test":"A"}` + "\n" + `{"Action":"pass","Package":"p","Test":"A"}` + "\n" + `{"Action":"fail","Package":"p","Test":"B"}` + "\n" + `{"Action":"skip","Package":"p","Test":"C"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n", testCounts{1, 1, 1}},
		"no JSON":    {`{"Action":` + "\n", testCounts{}},
	} {
		if got := countTests([]byte(row.output)); got != row.want {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
	}
}
