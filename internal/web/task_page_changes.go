package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/console"
	"github.com/coderflow/coderflow/internal/task"
)

// changesPage is a revision of the proposal, by file.
type changesPage struct {
	task.Proposal
	Newest  int // revision that is up
	Against int // the revision whose result it is compared with; 0: with the base
	Shown   []changedFile
	Levels  []riskCount
	Others  []int // revisions that it can be compared with
}

// riskCount is how many risks have one name.
type riskCount struct {
	Name  string
	Count int
	First int // number of the first file with one
}

// changedFile is one path of the change.
type changedFile struct {
	task.PathChange
	Number int    // in the manifest, from 1
	At     string // address of its diff
	Notes  []console.Note
	Open   bool // its diff is on the page
	Piece  filePiece
}

// filePiece is a part of a file's diff.
type filePiece struct {
	console.Piece
	Number int
	Path   string
	More   string // address of what follows; empty: nothing does
}

// rowsAtOnce is how many lines of diffs a page begins with; other files are asked for.
const rowsAtOnce = 400

// paintTime is how long colours may take on one page.
const paintTime = 150 * time.Millisecond

// revisionAsked is the proposal that the page is about: the newest, or a former one. The
// newest itself stays what it is, whatever the page makes of the other.
func (c *call) revisionAsked() (p, newest *task.Proposal, err error) {
	if newest, err = c.proposal(); err != nil || newest == nil {
		return nil, nil, err
	}
	asked := c.QueryParam("revision")
	if asked == "" || asked == strconv.Itoa(newest.Revision) {
		same := *newest
		return &same, newest, nil
	}
	number, err := strconv.Atoi(asked)
	if err != nil || number < 1 || number > newest.Revision {
		return nil, nil, errNoRevision
	}
	former, err := c.s.API.TaskBook.ProposalBefore(c.Request().Context(), c.task.ID, number+1)
	if errors.Is(err, task.ErrNotFound) || err == nil && former.Revision != number {
		return nil, nil, errNoRevision
	}
	if err == nil {
		err = former.Verify()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read revision %d of the proposal: %w", number, err)
	}
	return &former, newest, nil
}

var errNoRevision = &apiError{status: http.StatusNotFound, text: "there is no such revision of the proposal"}

func showChanges(c *call) error {
	p, newest, err := c.revisionAsked()
	if err != nil {
		return err
	}
	h, err := c.head("changes", newest)
	if err != nil {
		return err
	}
	if p != nil {
		against, err := c.compared(p)
		if err != nil {
			return err
		}
		notes, err := c.notes(p)
		if err != nil {
			return err
		}
		page := c.changes(p, against, notes)
		page.Newest = newest.Revision
		if page.Others, err = c.others(p); err != nil {
			return err
		}
		h.Body = page
	}
	return c.taskPage(h, "changes")
}

// compared replaces the diff of a proposal by that against another revision's result, if
// the query names one. What judges and rules say of lines of the result stays true; what
// rules say of lines of the base, or of files that do not differ, is not about this diff.
func (c *call) compared(p *task.Proposal) (against int, err error) {
	if c.QueryParam("against") == "" {
		return 0, nil
	}
	former, err := c.proposalOf("against")
	if err != nil {
		return 0, err
	}
	diff, err := c.between(former, *p)
	if err != nil {
		return 0, err
	}
	p.Diff, p.Manifest = diff, console.ReadPatch(diff).Manifest()
	p.Risks = slices.DeleteFunc(slices.Clone(p.Risks), func(r task.Risk) bool { return r.Removed || fileNumber(p, r.Path) == 0 })
	return former.Revision, nil
}

// others are the revisions that a proposal can be compared with.
func (c *call) others(p *task.Proposal) ([]int, error) {
	rounds, err := c.s.API.TaskBook.Revisions(c.Request().Context(), c.task.ID)
	if err != nil {
		return nil, err
	}
	var list []int
	if p.Revision > 1 {
		list = append(list, 1)
	}
	for _, r := range rounds {
		if r.State == task.RevisionProposed && r.Number < p.Revision {
			list = append(list, r.Number)
		}
	}
	return list, nil
}

func (c *call) changes(p *task.Proposal, against int, notes map[string][]console.Note) changesPage {
	page := changesPage{Proposal: *p, Against: against}
	painter := c.painter()
	patch, left := console.ReadPatch(p.Diff), rowsAtOnce
	for i, change := range p.Manifest {
		f := changedFile{PathChange: change, Number: i + 1, Notes: notes[change.Path], At: c.fileAddress(p, i+1)}
		if rows := change.Added + change.Removed; rows <= left && !change.Binary && i < 40 {
			left -= rows + 10 // and some lines around
			f.Open = true
			f.Piece = c.piece(p, patch, i+1, 0, f.Notes, painter)
		}
		page.Shown = append(page.Shown, f)
	}
	for _, r := range p.Risks {
		i := slices.IndexFunc(page.Levels, func(l riskCount) bool { return l.Name == r.Name })
		if i < 0 {
			page.Levels = append(page.Levels, riskCount{Name: r.Name, First: fileNumber(p, r.Path)})
			i = len(page.Levels) - 1
		}
		page.Levels[i].Count += 1 + r.More
	}
	return page
}

func fileNumber(p *task.Proposal, path string) int {
	return slices.IndexFunc(p.Manifest, func(m task.PathChange) bool { return m.Path == path }) + 1
}

func (c *call) painter() console.Painter {
	return console.Painter{Now: time.Now, Until: time.Now().Add(paintTime)}
}

func (c *call) fileAddress(p *task.Proposal, number int) string {
	address := fmt.Sprintf("/tasks/%s/changes/%d?revision=%d", c.task.ID, number, p.Revision)
	if against := c.QueryParam("against"); against != "" {
		address += "&against=" + url.QueryEscape(against)
	}
	return address
}

// piece renders a part of one file's diff.
func (c *call) piece(p *task.Proposal, patch *console.Patch, number, from int, notes []console.Note, painter console.Painter) filePiece {
	change := p.Manifest[number-1]
	out := filePiece{Number: number, Path: change.Path}
	f := patch.File(change.Path)
	if f == nil { // the manifest is the truth; the diff shows nothing of this path
		out.HTML = template.HTML(`<tr class="word"><td></td><td></td><td></td><td>the diff shows nothing of this path</td></tr>`)
		return out
	}
	if out.Piece = f.Piece(change.Path, notes, from, painter); out.Rest > 0 {
		out.More = c.fileAddress(p, number) + "&from=" + strconv.Itoa(out.Next)
	}
	return out
}

// showFile is the diff of one file from a line on.
func showFile(c *call) error {
	p, newest, err := c.revisionAsked()
	if err != nil {
		return err
	}
	if p != nil {
		if _, err := c.compared(p); err != nil {
			return err
		}
	}
	number, err := strconv.Atoi(c.Param("file"))
	if p == nil || err != nil || number < 1 || number > len(p.Manifest) {
		return &apiError{status: http.StatusNotFound, text: "the proposal has no such file"}
	}
	if from := c.QueryParam("from"); from != "" {
		c.query.Set("from", from)
	}
	from, err := c.number("from", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	notes, err := c.notes(p)
	if err != nil {
		return err
	}
	change := p.Manifest[number-1]
	piece := c.piece(p, console.ReadPatch(p.Diff), number, int(from), notes[change.Path], c.painter())
	if c.wantsPart() {
		return c.block("task", "piece", piece)
	}
	h, err := c.head("file", newest)
	if err != nil {
		return err
	}
	h.Body = changedFile{PathChange: change, Number: number, Notes: notes[change.Path], Open: true, Piece: piece}
	return c.taskPage(h, "")
}

// notes are the risks of a proposal and what judges found in it, by path.
func (c *call) notes(p *task.Proposal) (map[string][]console.Note, error) {
	notes := map[string][]console.Note{}
	for _, r := range p.Risks {
		n := console.Note{Path: r.Path, Line: r.Line, Removed: r.Removed, Level: "warn", Label: "Risk: " + r.Name, Title: r.Why}
		if r.More > 0 {
			n.Text = console.Plural(int64(r.More), "more place") + " like this in the file"
		}
		notes[r.Path] = append(notes[r.Path], n)
	}
	exams, err := c.s.API.TaskBook.Examinations(c.Request().Context(), c.task.ID)
	if err != nil {
		return nil, err
	}
	for _, x := range task.LatestExaminations(exams, p.Revision) {
		verdict := verdictShown{}
		if x.Kind != task.Judge || x.State != task.ExaminationPassed || json.Unmarshal(x.Result, &verdict) != nil {
			continue
		}
		for _, f := range verdict.Findings {
			notes[f.Path] = append(notes[f.Path], console.Note{
				Path: f.Path, Line: f.Line, Level: findingLevel(f.Severity), Label: "Judge " + x.Name + ", " + f.Severity, Title: f.Title, Text: f.Text,
			})
		}
	}
	return notes, nil
}

func findingLevel(severity string) string {
	switch severity {
	case "critical", "major":
		return "bad"
	case "minor":
		return "warn"
	}
	return "calm"
}
