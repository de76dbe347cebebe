package emulator

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reviewComment is what a review says of one line of a file.
type reviewComment struct {
	id         int64
	path, body string
	side       string // RIGHT: a line of the result, LEFT: one of the base
	line       int
	position   int // lines below the first "@@" of the file's patch
	hunk       string
}

type reviewCommentInput struct {
	Path      string `json:"path"`
	Body      string `json:"body"`
	Position  int    `json:"position"`
	Line      int    `json:"line"`
	Side      string `json:"side"`
	StartLine int    `json:"start_line"`
	StartSide string `json:"start_side"`
}

// reviewComments places comments on what the pull request changes, as GitHub does: it
// takes none on a line that it does not show.
func (f *Forge) reviewComments(p *pull, commit string, list []reviewCommentInput) ([]*reviewComment, error) {
	if len(list) == 0 {
		return nil, nil
	}
	compared, err := f.compare(p.issue.repo, p.baseSHA, commit)
	if err != nil {
		return nil, err
	}
	var placed []*reviewComment
	for _, in := range list {
		i := slices.IndexFunc(compared.files, func(d fileDiff) bool { return d.name == in.Path })
		if i < 0 {
			return nil, unprocessable("Pull request review thread path is invalid")
		}
		if strings.TrimSpace(in.Body) == "" {
			return nil, unprocessable("Pull request review comment body can't be blank")
		}
		if err := tooLong("PullRequestReviewComment", "body", in.Body, maxBody); err != nil {
			return nil, err
		}
		c := placeComment(compared.files[i].patch, in)
		if c == nil {
			return nil, unprocessable("Pull request review thread line must be part of the diff")
		}
		c.id = f.newID()
		placed = append(placed, c)
	}
	return placed, nil
}

var hunkHeader = regexp.MustCompile(`^@@ -([0-9]+)(?:,[0-9]+)? \+([0-9]+)(?:,[0-9]+)? @@`)

// placeComment finds the line in a file's patch; nil if it is not in there.
func placeComment(patch string, in reviewCommentInput) *reviewComment {
	side := in.Side
	if side == "" {
		side = "RIGHT"
	}
	position, oldLine, newLine := -1, 0, 0
	for text := range strings.SplitSeq(patch, "\n") {
		position++
		if m := hunkHeader.FindStringSubmatch(text); m != nil {
			oldLine, _ = strconv.Atoi(m[1])
			newLine, _ = strconv.Atoi(m[2])
			continue
		}
		at, on := newLine, "RIGHT"
		switch {
		case strings.HasPrefix(text, "-"):
			at, on = oldLine, "LEFT"
			oldLine++
		case strings.HasPrefix(text, "+"):
			newLine++
		case strings.HasPrefix(text, `\`):
			continue
		default:
			oldLine, newLine = oldLine+1, newLine+1
		}
		if in.Position > 0 && position == in.Position || in.Position == 0 && on == side && at == in.Line {
			return &reviewComment{path: in.Path, body: in.Body, side: on, line: at, position: position, hunk: text}
		}
	}
	return nil
}

// listReviewComments are what one review says of lines, oldest first. GitHub leaves the
// lines themselves out here and gives positions.
func (c *call) listReviewComments() (response, error) {
	rv, err := c.wantedReview()
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, comment := range rv.comments {
		out = append(out, c.f.reviewCommentJSON(rv, comment))
	}
	return pages(out)
}

func (f *Forge) reviewCommentJSON(rv *review, c *reviewComment) obj {
	html := f.issueHTML(rv.pull.issue) + "#discussion_r" + str(c.id)
	api := f.repoURL(rv.pull.issue.repo, "/pulls/comments/"+str(c.id))
	at := stamp(rv.submitted)
	if rv.submitted.IsZero() {
		at = stamp(f.now())
	}
	return obj{
		"id": c.id, "node_id": nodeID("PRRC", c.id), "url": api, "html_url": html, "pull_request_url": f.pullURL(rv.pull),
		"pull_request_review_id": rv.id, "user": f.userJSON(rv.author), "body": c.body, "path": c.path, "diff_hunk": c.hunk,
		"position": c.position, "original_position": c.position, "commit_id": rv.commit, "original_commit_id": rv.commit,
		"author_association": rv.pull.issue.repo.association(rv.author), "created_at": at, "updated_at": at,
		"_links": obj{"self": href(api), "html": href(html), "pull_request": href(f.pullURL(rv.pull))},
	}
}
