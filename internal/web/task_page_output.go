package web

import (
	"bytes"
	"html/template"
	"strconv"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/console"
)

// Bytes of a log that a page reads: a window on its end, or on what is before.
const (
	outputWindow   = 96 << 10
	activityWindow = 256 << 10
)

// eventsOnPage is how many events of the agent a page shows.
const eventsOnPage = 60

// feed is what the agent did last.
type feed struct {
	Events template.HTML
	Count  int
	More   bool   // there are earlier ones
	Live   string // address of what comes; empty: nothing does
}

// outputPage is a window on what the task's container wrote.
type outputPage struct {
	Exam    *examView // whose output it is; nil: the agent's
	Log     template.HTML
	Until   int64  // the byte where it ends
	Size    int64  // of the whole log
	Earlier string // address of what is before the window; empty: nothing is
	Live    string // address of what comes; empty: nothing does
}

// window reads the whole lines of a log before a byte of it, at most so many bytes. A
// last line without an end counts where whole says so. Of a line that is longer than the
// window there is a piece, so that from is less than until unless nothing is before it.
func (c *call) window(stream string, whole bool, until, most int64) (lines []byte, from int64, err error) {
	from = max(0, until-most)
	lines, err = c.s.API.Tasks.ReadLog(c.Request().Context(), stream, from, int(until-from))
	if err != nil {
		return nil, 0, err
	}
	if end := bytes.LastIndexByte(lines, '\n') + 1; !whole && (end > 0 || from == 0) {
		lines = lines[:end]
	}
	if from > 0 {
		cut := lineStart(lines)
		from, lines = from+int64(cut), lines[cut:]
	}
	return lines, from, nil
}

// lineStart is where the first line begins that is not cut; in a piece of one line it is
// where the first character begins.
func lineStart(piece []byte) int {
	if cut := bytes.IndexByte(piece, '\n') + 1; cut > 0 && cut < len(piece) {
		return cut
	}
	for i := range min(utf8.UTFMax, len(piece)) {
		if utf8.RuneStart(piece[i]) {
			return i
		}
	}
	return 0
}

// feed reads what the agent did last out of the end of its log.
func (c *call) feed() (feed, error) {
	stream, over := c.stream()
	size, err := c.s.API.Deployments.LogSize(c.Request().Context(), stream)
	if err != nil {
		return feed{}, err
	}
	lines, from, err := c.window(stream, over, size, activityWindow)
	if err != nil {
		return feed{}, err
	}
	parser := activity.NewParser(c.s.API.Format(c.task))
	events := append(parser.Feed(lines), parser.Close()...)
	f := feed{More: from > 0 || len(events) > eventsOnPage}
	events = events[max(0, len(events)-eventsOnPage):]
	f.Events, f.Count = console.Events(events), len(events)
	if !c.task.State.Ended() {
		f.Live = c.liveAddress("activity", from+int64(len(lines)))
	}
	return f, nil
}

func (c *call) liveAddress(show string, from int64) string {
	return "/tasks/" + string(c.task.ID) + "/live?show=" + show + "&from=" + strconv.FormatInt(from, 10)
}

// showOutput is the end of the task's log, and more as it comes; or what is before a byte.
func showOutput(c *call) error {
	stream, over := c.stream()
	view, err := c.logWindow(stream, over, "/tasks/"+string(c.task.ID)+"/output")
	if err != nil {
		return err
	}
	if !over {
		view.Live = c.liveAddress("log", view.Until)
	}
	return c.outputTab(view)
}

// showExam is the output of a check or a judge.
func showExam(c *call) error {
	exams, err := c.s.API.TaskBook.Examinations(c.Request().Context(), c.task.ID)
	if err != nil {
		return err
	}
	x, err := examOf(exams, c.Param("exam"))
	if err != nil {
		return err
	}
	view, err := c.logWindow(x.LogStream(), x.State.Ended(), "/tasks/"+string(c.task.ID)+"/examinations/"+x.ID)
	if err != nil {
		return err
	}
	shown := viewExam(x)
	view.Exam = &shown
	if !x.State.Ended() {
		view.Live = c.liveAddress("log", view.Until) + "&exam=" + x.ID
	}
	return c.outputTab(view)
}

// outputTab shows a window of a log: the part alone if the page asks for what is before.
func (c *call) outputTab(view outputPage) error {
	if c.wantsPart() {
		return c.block("task", "earlier", view)
	}
	p, err := c.proposal()
	if err != nil {
		return err
	}
	h, err := c.head("output", p)
	if err != nil {
		return err
	}
	h.Body = view
	return c.taskPage(h, "")
}

// logWindow reads the end of a log, or what is before the byte that the query names.
func (c *call) logWindow(stream string, over bool, path string) (outputPage, error) {
	size, err := c.s.API.Deployments.LogSize(c.Request().Context(), stream)
	if err != nil {
		return outputPage{}, err
	}
	if until := c.QueryParam("until"); until != "" {
		c.query.Set("until", until)
	}
	until, err := c.number("until", size, 0, size)
	if err != nil {
		return outputPage{}, err
	}
	lines, from, err := c.window(stream, over || until < size, until, outputWindow)
	if err != nil {
		return outputPage{}, err
	}
	var terminal console.Terminal
	view := outputPage{Log: terminal.Lines(lines), Until: from + int64(len(lines)), Size: size}
	if from > 0 {
		view.Earlier = path + "?until=" + strconv.FormatInt(from, 10)
	}
	return view, nil
}
