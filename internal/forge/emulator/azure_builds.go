package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (f *Forge) buildURL(run *pipelineRun) string {
	return f.orgURL() + "/" + f.projectGUID(run.pipeline.repo.owner) + "/_apis/build/Builds/" + strconv.Itoa(run.ID)
}

// buildJSON is a run in the words of the older area.
func (f *Forge) buildJSON(run *pipelineRun) obj {
	self := f.buildURL(run)
	states := map[string]string{"inProgress": "inProgress", "canceling": "cancelling", "completed": "completed"}
	o := obj{"id": run.ID, "buildNumber": run.created.Format("20060102") + "." + strconv.Itoa(run.ID), "status": states[run.State], "queueTime": azureDate(run.created),
		"startTime": azureDate(run.created), "url": self, "uri": "vstfs:///Build/Build/" + strconv.Itoa(run.ID), "sourceBranch": run.Ref, "sourceVersion": run.Version,
		"definition": obj{"id": run.PipelineID, "name": run.Pipeline, "project": f.projectRef(run.pipeline.repo.owner)}, "project": f.projectRef(run.pipeline.repo.owner),
		"requestedBy": f.identityRef(run.by), "requestedFor": f.identityRef(run.by), "templateParameters": run.Parameters, "reason": "manual", "priority": "normal",
		"repository": obj{"id": f.repoGUID(run.pipeline.repo), "type": "TfsGit", "name": run.pipeline.repo.name},
		"logs":       obj{"id": 0, "type": "Container", "url": self + "/logs"},
		"_links": obj{"self": href(self), "timeline": href(self + "/Timeline"),
			"web": href(f.orgURL() + "/" + pathEscape(run.pipeline.repo.owner.login) + "/_build/results?buildId=" + strconv.Itoa(run.ID))}}
	if run.State == "completed" {
		o["result"], o["finishTime"] = run.Result, azureDate(run.finished)
	}
	return o
}

func (c *azureCall) listBuilds() (response, error) {
	out := []obj{}
	if order := c.param("queryOrder"); order != "" && !strings.EqualFold(order, "queueTimeDescending") { // which is theirs anyway
		return response{}, c.unknown("queryOrder " + order)
	}
	since := time.Time{}
	if text := c.param("minTime"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return response{}, azureFailure(http.StatusBadRequest, "ArgumentException", "The value %s is not a valid minTime.", text)
		}
	}
	for _, run := range slices.Backward(c.f.azure.runs) {
		if run.created.Before(since) {
			continue
		}
		definitions, ids := splitList(c.param("definitions")), splitList(c.param("buildIds"))
		if run.pipeline.repo.owner == c.project && run.pipeline.repo.level(c.who.user) >= levelRead && (len(definitions) == 0 || slices.Contains(definitions, strconv.Itoa(run.PipelineID))) &&
			(len(ids) == 0 || slices.Contains(ids, strconv.Itoa(run.ID))) && matchesQuery(c.param("branchName"), run.Ref) {
			out = append(out, c.f.buildJSON(run))
		}
	}
	if status := c.param("statusFilter"); status != "" {
		out = slices.DeleteFunc(out, func(o obj) bool { return !strings.EqualFold(o["status"].(string), status) })
	}
	return listed(c.paging(out, 1000))
}

func (c *azureCall) getBuild() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	defer c.f.endCancelled(run)
	return ok(c.f.buildJSON(run))
}

// endCancelled ends a run that is being cancelled: it is over after somebody looked.
func (f *Forge) endCancelled(run *pipelineRun) {
	if run.State == "canceling" {
		f.finish(run, "canceled")
	}
}

// updateBuild cancels a build, which is being cancelled until somebody has looked at it or FinishRun.
func (c *azureCall) updateBuild() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	if run.pipeline.repo.level(c.who.user) < levelWrite {
		return response{}, c.lacks(levelWrite)
	}
	var in struct {
		Status string `json:"status"`
		ID     int    `json:"id"`
	}
	if err := c.decode(&in); err != nil {
		return response{}, err
	}
	if !strings.EqualFold(in.Status, "cancelling") || c.param("retry") != "" {
		return response{}, c.unknown("build status " + in.Status)
	}
	if run.State == "completed" {
		return ok(c.f.buildJSON(run))
	}
	run.State = "canceling"
	return ok(c.f.buildJSON(run))
}

// getTimeline is one stage with one job with one task, whose log is the run's.
func (c *azureCall) getTimeline() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	id := c.f.guid("timeline", int64(run.ID))
	if want := c.vars["timelineId"]; want != "" && !strings.EqualFold(want, id) {
		return response{}, azureFailure(http.StatusNotFound, "TimelineNotFoundException", "The timeline %s could not be found.", want)
	}
	records, parent := []obj{}, any(nil)
	for n, kind := range []string{"Stage", "Job", "Task"} {
		record := c.f.guid("record "+kind, int64(run.ID))
		o := obj{"id": record, "parentId": parent, "type": kind, "name": map[string]string{"Stage": "__default", "Job": "Job", "Task": run.Pipeline}[kind],
			"startTime": azureDate(run.created), "finishTime": nil, "state": "inProgress", "result": nil, "order": n + 1, "attempt": 1, "errorCount": 0, "warningCount": 0, "log": nil,
			"identifier": kind, "previousAttempts": []obj{}}
		if run.State == "completed" {
			o["state"], o["result"], o["finishTime"] = "completed", run.Result, azureDate(run.finished)
		}
		if kind == "Task" {
			o["log"] = obj{"id": 1, "type": "Container", "url": c.f.buildURL(run) + "/logs/1"}
		}
		parent = record
		records = append(records, o)
	}
	return ok(obj{"id": id, "changeId": 1, "lastChangedOn": azureDate(run.created), "records": records, "url": c.f.buildURL(run) + "/Timeline/" + id})
}

func (c *azureCall) logJSON(run *pipelineRun, url string) obj {
	return obj{"id": 1, "type": "Container", "createdOn": azureDate(run.created), "lastChangedOn": azureDate(run.created), "lineCount": len(run.Log), "url": url}
}

func (c *azureCall) listBuildLogs() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	return listed([]obj{c.logJSON(run, c.f.buildURL(run)+"/logs/1")})
}

// getBuildLog answers with plain text, or as JSON where that is what is accepted.
func (c *azureCall) getBuildLog() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	if c.num("logId") != 1 {
		return response{}, azureFailure(http.StatusNotFound, "BuildLogNotFoundException", "The log %s could not be found.", c.vars["logId"])
	}
	from, to := positive(c.param("startLine"), 1), positive(c.param("endLine"), len(run.Log))
	lines := run.Log[min(from-1, len(run.Log)):max(min(to, len(run.Log)), min(from-1, len(run.Log)))]
	if strings.HasPrefix(c.r.Header.Get("Accept"), "application/json") {
		return ok(obj{"count": len(lines), "value": append([]string{}, lines...)})
	}
	return response{status: http.StatusOK, raw: []byte(strings.Join(lines, "\n")), mime: "text/plain"}, nil
}

func (c *azureCall) listRunLogs() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	self := c.f.pipelineURL(run.pipeline) + "/runs/" + strconv.Itoa(run.ID) + "/logs"
	return ok(obj{"logs": []obj{c.logJSON(run, self+"/1")}, "url": self})
}

func (c *azureCall) getRunLog() (response, error) {
	run, err := c.wantedRun()
	if err != nil {
		return response{}, err
	}
	if c.num("logId") != 1 {
		return response{}, azureFailure(http.StatusNotFound, "LogNotFoundException", "The log %s could not be found.", c.vars["logId"])
	}
	o := c.logJSON(run, fmt.Sprintf("%s/runs/%d/logs/1", c.f.pipelineURL(run.pipeline), run.ID))
	if strings.EqualFold(c.param("$expand"), "signedContent") {
		o["signedContent"] = obj{"url": c.f.buildURL(run) + "/logs/1", "signatureExpires": azureDate(c.f.opts.Now().Add(entraLife))}
	}
	return ok(o)
}
