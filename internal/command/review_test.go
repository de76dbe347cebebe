package command

import (
	"reflect"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
)

func TestParseReviewReadsMessageAndDirectives(t *testing.T) {
	t.Parallel()
	got := ParseReview("Add subtraction <!-- private -->\n\nIt was *missing*.\n\n" +
		"/coderflow deploy prod/site version=1.2 note=\"a \\\"b\\\" c\" other='d e'\n\n" +
		"> /coderflow deploy quoted\n\n```\n/coderflow no-deploy\n```\n")
	want := approval.Directives{
		Message: "Add subtraction \n\nIt was *missing*.\n\n> /coderflow deploy quoted\n\n```\n/coderflow no-deploy\n```",
		Deploy: []approval.Arming{{Environment: "prod", Profile: "site", Parameters: map[string]string{
			"version": "1.2", "note": `a "b" c`, "other": "d e",
		}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %#v\nwant %#v", got, want)
	}
}

func TestParseReviewOfDirectivesAloneHasNoMessage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "  \r\n", "/coderflow no-deploy", "<!-- x -->\n\n/coderflow no-deploy\r\n"} {
		got := ParseReview(body)
		if got.Message != "" || len(got.Problems) > 0 || got.NoDeploy != strings.Contains(body, "no-deploy") {
			t.Errorf("%q: %+v", body, got)
		}
	}
}

func TestParseReviewKeepsParameterTextLiteral(t *testing.T) {
	t.Parallel()
	got := ParseReview("/coderflow deploy site cmd='$(rm -rf /); `id` \\n' empty=")
	if len(got.Problems) > 0 || got.Deploy[0].Parameters["cmd"] != "$(rm -rf /); `id` \\n" || got.Deploy[0].Parameters["empty"] != "" {
		t.Fatalf("%+v", got)
	}
}

func TestParseReviewReadsWhereToLand(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]approval.Directives{
		"Fix it\n\n/coderflow target release/1.2": {Message: "Fix it", Target: "release/1.2"},
		"/coderflow target --new hotfix/7":        {Target: "hotfix/7", NewTarget: true},
		"/coderflow target hotfix/7 --new":        {Target: "hotfix/7", NewTarget: true},
		"/coderflow no-push\n\nFix it":            {Message: "Fix it", NoPush: true},
		"> /coderflow target main":                {Message: "> /coderflow target main"},
	} {
		if got := ParseReview(body); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", body, got, want)
		}
	}
}

func TestParseReviewExplainsWhatItCannotFollow(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"/coderflow":                                         "directive is missing",
		"/coderflow depoly site":                             "did you mean deploy?",
		"/coderflow run":                                     "command for a comment",
		"/coderflow deploy":                                  "needs the name",
		"/coderflow deploy ../x":                             "not a name",
		"/coderflow deploy a/b/c":                            "not a name",
		"/coderflow deploy site fast":                        "key=value",
		"/coderflow deploy site note=“a b”":                  "straight quotation marks",
		"/coderflow deploy site 1=2":                         "not a name",
		"/coderflow deploy site a=1 a=2":                     "twice",
		"/coderflow deploy site a='b":                        "not closed",
		"/coderflow deploy site a=\u202eb":                   "invisible",
		"/coderflow deploy site\n/coderflow deploy site a=1": "said twice",
		"/coderflow no-deploy x":                             "takes nothing",
		"/coderflow no-deploy\n/coderflow no-deploy":         "said twice",
		"/coderflow deploy site\n/coderflow no-deploy":       "contradict",
		"/coderflow no-push now":                             "takes nothing",
		"/coderflow no-push\n/coderflow no-push":             "said twice",
		"/coderflow no-push\n/coderflow deploy site":         "contradict",
		"/coderflow no-push\n/coderflow target x":            "contradict",
		"/coderflow target a\n/coderflow target b":           "said twice",
		"/coderflow target a b":                              "exactly one branch",
		"/coderflow target --new":                            "exactly one branch",
		"/coderflow target --new --new a":                    "exactly one branch",
		"/coderflow target --force a":                        "exactly one branch",
		"/coderflow target a..b":                             "contains ..",
		"/coderflow target a:b":                              "does not allow",
		"/coderflow target refs/heads/main":                  "name the branch alone",
		"/coderflow target re\u202elease":                    "invisible",
		"/coderflow target":                                  "exactly one branch",
		"/coderflow target -f":                               "dash",
		strings.Repeat("x ", maxBody):                        "64 KiB",
	} {
		got := ParseReview(body)
		if len(got.Problems) != 1 || !strings.Contains(got.Problems[0], want) {
			t.Errorf("%.60q: %q; want one problem with %q", body, got.Problems, want)
		}
	}
}
