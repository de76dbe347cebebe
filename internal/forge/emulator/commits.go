package emulator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// commitInfo is one commit as git stores it.
type commitInfo struct {
	sha, tree         string
	parents           []string
	author, committer person
	message           string
}

type person struct {
	name, email string
	when        time.Time
}

// commits reads commits by id, in the order given.
func (f *Forge) commits(r *repository, shas []string) ([]commitInfo, error) {
	if len(shas) == 0 {
		return nil, nil
	}
	const format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x01"
	stdin := []byte(strings.Join(shas, "\n") + "\n")
	out, err := f.git.run(gitCall{dir: r.dir, stdin: stdin}, "log", "--no-walk=unsorted", "--stdin", "-z", "--encoding=UTF-8", format)
	if err != nil {
		return nil, fmt.Errorf("reading commits: %w", err)
	}
	var found []commitInfo
	for record := range strings.SplitSeq(out, "\x01") {
		fields := strings.SplitN(strings.TrimLeft(record, "\x00\n"), "\x00", 10)
		if len(fields) < 10 {
			continue
		}
		found = append(found, commitInfo{sha: fields[0], tree: fields[1], parents: strings.Fields(fields[2]),
			author: newPerson(fields[3:6]), committer: newPerson(fields[6:9]), message: strings.TrimSuffix(fields[9], "\n")})
	}
	return found, nil
}

func newPerson(fields []string) person {
	seconds, _ := strconv.ParseInt(fields[2], 10, 64)
	return person{name: fields[0], email: fields[1], when: time.Unix(seconds, 0)}
}

func (p person) json() obj { return obj{"name": p.name, "email": p.email, "date": stamp(p.when)} }

// userByEmail finds the account that a commit's address belongs to, by address or by noreply form.
func (f *Forge) userByEmail(email string) *user {
	for _, u := range f.users {
		if u.email != "" && strings.EqualFold(u.email, email) || f.azure != nil && strings.EqualFold(f.mail(u), email) ||
			strings.HasPrefix(email, fmt.Sprintf("%d+", u.id)) && strings.Contains(email, "@users.noreply.") {
			return u
		}
	}
	return nil
}

func (f *Forge) commitJSON(r *repository, c commitInfo) obj {
	self := f.repoURL(r, "/commits/"+c.sha)
	parents := []obj{}
	for _, p := range c.parents {
		parents = append(parents, obj{"sha": p, "url": f.repoURL(r, "/commits/"+p), "html_url": f.base + "/" + r.fullName() + "/commit/" + p})
	}
	return obj{
		"sha": c.sha, "node_id": "C_" + c.sha, "url": self, "html_url": f.base + "/" + r.fullName() + "/commit/" + c.sha,
		"comments_url": self + "/comments", "author": f.userOrNull(f.userByEmail(c.author.email)),
		"committer": f.userOrNull(f.userByEmail(c.committer.email)), "parents": parents,
		"commit": obj{
			"url": f.repoURL(r, "/git/commits/"+c.sha), "author": c.author.json(), "committer": c.committer.json(),
			"message": c.message, "comment_count": 0,
			"tree":         obj{"sha": c.tree, "url": f.repoURL(r, "/git/trees/"+c.tree)},
			"verification": obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil},
		},
	}
}

func (f *Forge) commitsJSON(r *repository, shas []string) ([]obj, error) {
	list, err := f.commits(r, shas)
	out := []obj{}
	for _, c := range list {
		out = append(out, f.commitJSON(r, c))
	}
	return out, err
}

// pushCommitJSON is a commit in a push event.
func (f *Forge) pushCommitJSON(r *repository, c commitInfo) obj {
	o := obj{"id": c.sha, "tree_id": c.tree, "distinct": true, "message": c.message, "timestamp": stamp(c.committer.when),
		"url": f.base + "/" + r.fullName() + "/commit/" + c.sha, "author": f.pusherJSON(c.author),
		"committer": f.pusherJSON(c.committer), "added": []string{}, "removed": []string{}, "modified": []string{}}
	out, err := f.git.in(r, "diff-tree", "-r", "--root", "--no-commit-id", "--no-renames", "--name-status", "-z", c.sha)
	if err != nil {
		return o
	}
	fields := strings.Split(out, "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		key := map[string]string{"A": "added", "D": "removed"}[fields[i]]
		if key == "" {
			key = "modified"
		}
		o[key] = append(o[key].([]string), fields[i+1])
	}
	return o
}

func (f *Forge) pusherJSON(p person) obj {
	o := obj{"name": p.name, "email": p.email}
	if u := f.userByEmail(p.email); u != nil {
		o["username"] = u.login
	}
	return o
}
