package azuredevops

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/microsoft/azure-devops-go-api/azuredevops/v7/git"

	"github.com/coderflow/coderflow/internal/forge"
)

// PostRemarks implements [forge.Remarks]: a thread for each, and one that says what they
// are, which comes last and is found again by the marker. Each has a marker of its own, so
// that a repetition after a crash completes them.
func (a *Adapter) PostRemarks(ctx context.Context, ref forge.RepositoryRef, number int, r forge.NewRemarks) error {
	doing := fmt.Sprintf("remark on pull request %d of %s", number, ref.FullName())
	if r.Marker == "" || !commitShape.MatchString(r.Commit) {
		return fmt.Errorf("%s: a marker and a commit are needed to find the remarks again", doing)
	}
	self, err := a.Self(ctx, ref.Host)
	if err != nil {
		return err
	}
	threads, err := a.threads(ctx, ref, number)
	if err != nil {
		return err
	}
	if _, done := ours(threads, self, r.Marker); done {
		return nil
	}
	iterations, err := a.iterations(ctx, ref, number)
	if err != nil {
		return err
	}
	in, found := newestOf(iterations, r.Commit)
	if !found {
		return &forge.RefusedError{Operation: doing, Words: "commit " + r.Commit + " is in no iteration of the pull request"}
	}
	places, err := a.places(ctx, ref, doing, number, in, r)
	if err != nil {
		return err
	}
	for i, remark := range r.Remarks {
		marker := fmt.Sprintf("%s/%d -->", strings.TrimSuffix(r.Marker, " -->"), i+1)
		if _, done := ours(threads, self, marker); done {
			continue
		}
		if _, err := a.openThread(ctx, ref, number, marker, marker+"\n"+remark.Body, &places[i]); err != nil {
			return err
		}
	}
	body := r.Body
	if !strings.HasPrefix(body, r.Marker) {
		body = r.Marker + "\n" + body
	}
	_, err = a.openThread(ctx, ref, number, r.Marker, body, nil)
	return err
}

// places are where the remarks are shown. All of them are looked for before any is posted.
func (a *Adapter) places(ctx context.Context, ref forge.RepositoryRef, doing string, number int, in iteration, r forge.NewRemarks) ([]git.GitPullRequestCommentThread, error) {
	changed, err := a.changedFiles(ctx, ref, doing, number, in)
	if err != nil {
		return nil, err
	}
	length := map[string]int{}
	var places []git.GitPullRequestCommentThread
	for _, remark := range r.Remarks {
		tracking, shown := changed[remark.Path]
		if _, known := length[remark.Path]; shown && !known {
			if length[remark.Path], err = a.lines(ctx, ref, doing, remark.Path, r.Commit); err != nil {
				return nil, err
			}
		}
		if !shown || remark.Line < 1 || remark.Line > length[remark.Path] {
			return nil, &forge.RefusedError{Operation: doing, Words: fmt.Sprintf("line %d of %s is not shown in iteration %d", remark.Line, clip(remark.Path), in.id)}
		}
		path, first, last := "/"+remark.Path, 1, endOfLine
		places = append(places, git.GitPullRequestCommentThread{
			ThreadContext: &git.CommentThreadContext{
				FilePath:       &path,
				RightFileStart: &git.CommentPosition{Line: &remark.Line, Offset: &first},
				RightFileEnd:   &git.CommentPosition{Line: &remark.Line, Offset: &last},
			},
			PullRequestThreadContext: &git.GitPullRequestCommentThreadContext{
				ChangeTrackingId: &tracking,
				IterationContext: &git.CommentIterationContext{FirstComparingIteration: &in.id, SecondComparingIteration: &in.id}, // from the common commit
			},
		})
	}
	return places, nil
}

// endOfLine is the offset that the service takes for one.
const endOfLine = 2147483647

// changedFiles are the files that an iteration shows, with the number by which the service
// follows each.
func (a *Adapter) changedFiles(ctx context.Context, ref forge.RepositoryRef, doing string, number int, in iteration) (map[string]int, error) {
	changed, skip, most := map[string]int{}, 0, 2000
	for range maxPages {
		page, err := a.git.GetPullRequestIterationChanges(ctx, git.GetPullRequestIterationChangesArgs{
			RepositoryId: &ref.ID, PullRequestId: &number, IterationId: &in.id, Top: &most, Skip: &skip,
		})
		if err != nil {
			return nil, translate(doing, err)
		}
		for _, c := range is(page.ChangeEntries) {
			item, _ := c.Item.(map[string]any)
			path, _ := item["path"].(string)
			if path != "" && !strings.Contains(string(is(c.ChangeType)), "delete") {
				changed[strings.TrimPrefix(path, "/")] = is(c.ChangeTrackingId)
			}
		}
		if is(page.NextSkip) <= skip {
			return changed, nil
		}
		skip = *page.NextSkip
	}
	return changed, nil
}

// lines counts the lines of a file at a commit.
func (a *Adapter) lines(ctx context.Context, ref forge.RepositoryRef, doing, path, commit string) (int, error) {
	kind, with := git.GitVersionTypeValues.Commit, true
	path = "/" + path
	item, err := a.git.GetItem(ctx, git.GetItemArgs{
		RepositoryId: &ref.ID, Path: &path, IncludeContent: &with, VersionDescriptor: &git.GitVersionDescriptor{Version: &commit, VersionType: &kind},
	})
	if status(err) == http.StatusNotFound {
		return 0, nil
	}
	if err != nil {
		return 0, translate(doing, err)
	}
	text := is(item.Content)
	if text == "" {
		return 0, nil
	}
	return strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1, nil
}
