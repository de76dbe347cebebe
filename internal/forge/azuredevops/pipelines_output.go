package azuredevops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/build"

	"github.com/coderflow/coderflow/internal/forge"
)

// maxStepLines bounds what is read of one step's log.
const maxStepLines = 20_000

// Output is what the steps of a run wrote, each once it has ended, in the order of their
// ends; and what went wrong where there is no step. The service has a log for each step,
// which grows while the step runs; one that has ended does not change any more. The place
// is the list of those that were given.
func (p *Pipelines) Output(ctx context.Context, of forge.PipelineRef, id, place string, most int) ([]byte, string, error) {
	number, err := runNumber(id)
	if err != nil {
		return nil, "", err
	}
	timeline, err := p.builds.GetBuildTimeline(ctx, build.GetBuildTimelineArgs{Project: &of.Project, BuildId: &number})
	if nothing := (*json.SyntaxError)(nil); errors.As(err, &nothing) { // 204, before the first step
		return nil, place, nil
	}
	if err != nil {
		return nil, "", translate("read the steps of run "+id+" of pipeline "+of.String(), err)
	}
	var given []string
	if place != "" {
		given = strings.Split(place, ",")
	}
	var text []byte
	records := is(timeline.Records)
	for _, r := range finishedRecords(records) {
		key := placeOf(r)
		if slices.Contains(given, key) {
			continue
		}
		if len(text) >= most {
			break
		}
		piece, err := p.piece(ctx, of, number, r, records)
		if err != nil {
			return nil, "", err
		}
		text, given = append(text, piece...), append(given, key)
	}
	return text, strings.Join(given, ","), nil
}

// finishedRecords are the records that have something to say and will not change, in the order of
// their ends.
func finishedRecords(records []build.TimelineRecord) []build.TimelineRecord {
	list := slices.DeleteFunc(slices.Clone(records), func(r build.TimelineRecord) bool {
		says := is(r.Type) == "Task" && is(r.Log).Id != nil || is(r.Type) != "Task" && len(is(r.Issues)) > 0
		return !says || is(r.State) != build.TimelineRecordStateValues.Completed
	})
	slices.SortStableFunc(list, func(a, b build.TimelineRecord) int {
		return cmp.Or(at(a.FinishTime).Compare(at(b.FinishTime)), cmp.Compare(is(a.Order), is(b.Order)), cmp.Compare(placeOf(a), placeOf(b)))
	})
	return list
}

// placeOf names what a record says: a log has a number of its own in each attempt.
func placeOf(r build.TimelineRecord) string {
	if is(r.Type) == "Task" {
		return strconv.Itoa(is(is(r.Log).Id))
	}
	return fmt.Sprintf("%s.%d", is(r.Id).String()[:8], is(r.Attempt))
}

// piece is a step with its heading and its log, in whole lines.
func (p *Pipelines) piece(ctx context.Context, of forge.PipelineRef, number int, r build.TimelineRecord, all []build.TimelineRecord) ([]byte, error) {
	var b strings.Builder
	took := ""
	if from, to := at(r.StartTime), at(r.FinishTime); !from.IsZero() && to.After(from) {
		took = " in " + to.Sub(from).Round(time.Second).String()
	}
	fmt.Fprintf(&b, "== %s: %s%s\n", strings.Join(stepPath(r, all), " / "), cmp.Or(string(is(r.Result)), "ended"), took)
	if is(r.Type) != "Task" {
		for _, issue := range is(r.Issues) {
			fmt.Fprintf(&b, "%s: %s\n", cmp.Or(string(is(issue.Type)), "issue"), clip(is(issue.Message)))
		}
		return []byte(b.String()), nil
	}
	end := uint64(maxStepLines)
	lines, err := p.builds.GetBuildLogLines(ctx, build.GetBuildLogLinesArgs{Project: &of.Project, BuildId: &number, LogId: is(r.Log).Id, EndLine: &end})
	if err != nil {
		return nil, translate(fmt.Sprintf("read log %d of run %d", is(is(r.Log).Id), number), err)
	}
	for _, line := range is(lines) {
		b.WriteString(strings.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	if len(is(lines)) >= maxStepLines {
		fmt.Fprintf(&b, "[only the first %d lines of this step]\n", maxStepLines)
	}
	return []byte(b.String()), nil
}

// stepPath is the name of a record below those of its stage and job.
func stepPath(r build.TimelineRecord, all []build.TimelineRecord) []string {
	names := []string{clip(is(r.Name))}
	parent := r.ParentId
	for range 8 { // no timeline is deeper
		i := slices.IndexFunc(all, func(o build.TimelineRecord) bool { return parent != nil && is(o.Id) == *parent && *parent != uuid.Nil })
		if i < 0 {
			break
		}
		if name := is(all[i].Name); is(all[i].Type) != "Phase" && name != "__default" && name != "" {
			names = append([]string{clip(name)}, names...)
		}
		parent = all[i].ParentId
	}
	return names
}
