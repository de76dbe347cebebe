package emulator

import (
	"net/http"
	"strconv"
	"time"
)

// updateJSON is one revision's changes.
func (f *Forge) updateJSON(w *workItem, up *itemUpdate) obj {
	fields := obj{}
	for name, change := range up.fields {
		o := obj{}
		if change[0] != nil {
			o["oldValue"] = f.fieldJSON(change[0])
		}
		if change[1] != nil {
			o["newValue"] = f.fieldJSON(change[1])
		}
		fields[name] = o
	}
	who := f.identityRef(up.by)
	who["name"] = up.by.displayName() + " <" + f.mail(up.by) + ">"
	return obj{"id": up.rev, "workItemId": w.id, "rev": up.rev, "revisedBy": who, "revisedDate": azureDate(w.revised(up)), "fields": fields,
		"url": f.itemURL(w) + "/updates/" + strconv.Itoa(up.rev)}
}

// endOfTime is the date of what has not happened yet.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// revised is when the revision was followed by another: at the end of time if it is the present one. When it was made
// stands in System.ChangedDate.
func (w *workItem) revised(up *itemUpdate) time.Time {
	if up.rev < len(w.updates) {
		return w.updates[up.rev].at
	}
	return endOfTime
}

func (c *azureCall) listUpdates() (response, error) {
	w, err := c.readable(c.num("id"))
	if err != nil {
		return response{}, err
	}
	out := []obj{}
	for _, up := range w.updates {
		out = append(out, c.f.updateJSON(w, up))
	}
	return listed(c.paging(out, 200))
}

func (c *azureCall) getUpdate() (response, error) {
	w, err := c.readable(c.num("id"))
	if err != nil {
		return response{}, err
	}
	if n := c.num("updateNumber"); n > 0 && n <= len(w.updates) {
		return ok(c.f.updateJSON(w, w.updates[n-1]))
	}
	return response{}, azureFailure(http.StatusNotFound, "WorkItemRevisionNotFoundException", "The update %s does not exist.", c.vars["updateNumber"])
}
