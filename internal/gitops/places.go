package gitops

import (
	"github.com/coderflow/coderflow/internal/task"
)

// Place is where a risk can be shown.
type Place struct {
	Patch  int // line of the diff, from 1
	Result int // line of the file in the result, from 1; 0: the result has no such file
}

// Places finds the line of the diff, and of the result, for each risk of a proposal.
// A risk without a line, and one whose line is not in the diff, stands where its file
// begins; one of a line that is gone, where that line stood. A zero place is a path
// that the diff does not have.
func Places(p task.Proposal) ([]Place, error) {
	type spot struct {
		path    string
		line    int
		removed bool
	}
	wanted := map[spot]Place{}
	for _, r := range p.Risks {
		wanted[spot{r.Path, r.Line, r.Removed}] = Place{}
	}
	var headers []int
	for l, err := range patchLines(p.Diff, func(at int) { headers = append(headers, at) }) {
		if err != nil {
			return nil, err
		}
		s := spot{l.path, l.line, !l.added}
		if _, is := wanted[s]; is {
			wanted[s] = Place{Patch: l.at, Result: max(l.newLine, 1)}
		}
	}
	deleted, begins := map[string]bool{}, map[string]int{}
	for i, c := range p.Manifest {
		deleted[c.Path], begins[c.Path] = c.Kind == task.Deleted, i+1 // the diff begins with a line for each path
		if len(headers) == len(p.Manifest) {                          // git lists both by path; a file that becomes a link has two headers
			begins[c.Path] = headers[i]
		}
	}
	places := make([]Place, len(p.Risks))
	for i, r := range p.Risks {
		place := wanted[spot{r.Path, r.Line, r.Removed}]
		if place.Patch == 0 {
			if _, known := deleted[r.Path]; !known {
				continue
			}
			place = Place{Patch: begins[r.Path], Result: max(r.Line, 1)}
		}
		if deleted[r.Path] {
			place.Result = 0
		}
		places[i] = place
	}
	return places, nil
}
