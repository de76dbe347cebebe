package emulator

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

var loginPattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$`)
var repoPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// CreateUser adds a person (or an organization) and returns it with the token that acts as it.
func (f *Forge) CreateUser(login string, opts UserOptions) (UserInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !loginPattern.MatchString(login) {
		return UserInfo{}, fmt.Errorf("emulator: %q is no login", login)
	}
	if f.userByLogin(login) != nil {
		return UserInfo{}, fmt.Errorf("emulator: login %q is taken", login)
	}
	u := f.newUser(login, typeUser)
	u.name, u.email, u.siteAdmin = opts.Name, opts.Email, opts.SiteAdmin
	if opts.Organization {
		u.kind = typeOrganization
	} else if f.azure != nil {
		u.token = f.newToken(u, nil)
		return UserInfo{Login: u.login, ID: u.id, Token: u.token, GUID: f.userGUID(u), Mail: f.mail(u)}, nil
	} else {
		u.token = "ghp_" + randomHex(18)
	}
	return UserInfo{Login: u.login, ID: u.id, Token: u.token}, nil
}

// newUser needs the lock.
func (f *Forge) newUser(login, kind string) *user {
	u := &user{id: f.newID(), login: login, kind: kind, created: f.now()}
	f.users = append(f.users, u)
	return u
}

// RenameUser gives a person another login; the id stays, and the old login becomes free.
func (f *Forge) RenameUser(login, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.userByLogin(login)
	if u == nil {
		return fmt.Errorf("emulator: no user %q", login)
	}
	if !loginPattern.MatchString(to) || f.userByLogin(to) != nil {
		return fmt.Errorf("emulator: login %q is not to be had", to)
	}
	u.login = to
	return nil
}

// ClientFor returns the token of a person, or "" if there is no such person.
func (f *Forge) ClientFor(login string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.userByLogin(login); u != nil {
		return u.token
	}
	return ""
}

// CreateRepository makes a repository whose first commit holds files (by slash-separated path; a path
// ending in "*" is executable) and those of RepositoryOptions.FromDirectory. It returns the numeric id.
// Without any file the repository is empty.
func (f *Forge) CreateRepository(owner, name string, files map[string]string, opts RepositoryOptions) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.userByLogin(owner)
	if o == nil {
		return 0, fmt.Errorf("emulator: no user %q to own a repository", owner)
	}
	if !repoPattern.MatchString(name) || f.repoByName(owner+"/"+name) != nil {
		return 0, fmt.Errorf("emulator: repository name %q is not to be had", name)
	}
	r := f.newRepository(o, name, opts)
	if err := f.initRepository(r); err != nil {
		return 0, err
	}
	all, err := filesOf(opts.FromDirectory)
	if err != nil {
		return 0, err
	}
	maps.Copy(all, files)
	if len(all) > 0 {
		sha, err := f.firstCommit(r, all, cmp.Or(opts.Message, "Initial commit"))
		if err != nil {
			return 0, err
		}
		f.recordPush(r, o, "refs/heads/"+r.defaultBranch, zeroSHA, sha)
	}
	f.repos = append(f.repos, r)
	if f.azure != nil {
		f.subscribe()
	}
	return r.id, nil
}

func (f *Forge) newRepository(owner *user, name string, opts RepositoryOptions) *repository {
	now := f.now()
	r := &repository{id: f.newID(), name: name, owner: owner, description: opts.Description, private: opts.Private,
		defaultBranch: cmp.Or(opts.DefaultBranch, "main"), refuseDrafts: opts.RefuseDrafts,
		collaborators: map[int64]string{}, labels: map[string]*label{}, suites: map[string]*checkSuite{},
		protections: map[string]*Protection{}, comparisons: map[string]*comparison{},
		created: now, updated: now, pushed: now}
	r.dir = filepath.Join(f.opts.Dir, "repositories", fmt.Sprintf("%d.git", r.id))
	for _, l := range []label{{name: "bug", color: "d73a4a", description: "Something isn't working"},
		{name: "enhancement", color: "a2eeef", description: "New feature or request"}} {
		l.id = f.newID()
		r.labels[l.name] = &l
	}
	return r
}

// initRepository makes the bare repository and its hooks.
func (f *Forge) initRepository(r *repository) error {
	if _, err := f.git.run(gitCall{dir: f.opts.Dir}, "init", "-q", "--bare", "--initial-branch="+r.defaultBranch, r.dir); err != nil {
		return fmt.Errorf("emulator: making %s: %w", r.fullName(), err)
	}
	for _, kv := range [][2]string{{"http.receivepack", "true"}, {"uploadpack.allowAnySHA1InWant", "true"},
		{"uploadpack.allowFilter", "true"}, {"receive.fsckObjects", "true"}, {"receive.denyDeleteCurrent", "true"},
		{"gc.auto", "0"}, {"core.logAllRefUpdates", "false"}} {
		if _, err := f.git.in(r, "config", kv[0], kv[1]); err != nil {
			return fmt.Errorf("emulator: configuring %s: %w", r.fullName(), err)
		}
	}
	return writeHooks(r.dir)
}

// firstCommit writes files as a root commit onto the default branch.
func (f *Forge) firstCommit(r *repository, files map[string]string, message string) (string, error) {
	var stream strings.Builder
	ident := fmt.Sprintf("%s <%s> %d +0000", r.owner.displayName(), r.owner.address(f), f.now().Unix())
	fmt.Fprintf(&stream, "commit refs/heads/%s\nauthor %s\ncommitter %s\ndata %d\n%s\n",
		r.defaultBranch, ident, ident, len(message), message)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		mode, content := "100644", files[path]
		if strings.HasSuffix(path, "*") {
			mode = "100755"
		}
		fmt.Fprintf(&stream, "M %s inline %s\ndata %d\n%s\n", mode, strings.TrimSuffix(path, "*"), len(content), content)
	}
	stream.WriteString("done\n")
	if _, err := f.git.run(gitCall{dir: r.dir, stdin: []byte(stream.String())}, "fast-import", "--quiet", "--done"); err != nil {
		return "", fmt.Errorf("emulator: first commit of %s: %w", r.fullName(), err)
	}
	return f.git.branch(r, r.defaultBranch), nil
}

// filesOf reads every regular file below dir; executable ones get a "*" after their path.
func filesOf(dir string) (map[string]string, error) {
	files := map[string]string{}
	if dir == "" {
		return files, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("emulator: reading sample files: %w", err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() != ".git" {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		content, err := fs.ReadFile(root.FS(), path)
		if info.Mode()&0o100 != 0 {
			path += "*"
		}
		files[path] = string(content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("emulator: reading sample files: %w", err)
	}
	return files, nil
}

// DeleteRepository removes a repository; a new one of the same name gets another id.
func (f *Forge) DeleteRepository(fullName string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.repoByName(fullName)
	if r == nil {
		return fmt.Errorf("emulator: no repository %q", fullName)
	}
	f.repos = slices.DeleteFunc(f.repos, func(x *repository) bool { return x == r })
	for _, a := range f.apps {
		for _, i := range a.installations {
			delete(i.repos, r.id)
		}
	}
	return os.RemoveAll(r.dir)
}

// Fork copies a repository to another owner and returns the id of the copy.
func (f *Forge) Fork(fullName, owner string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent, o := f.repoByName(fullName), f.userByLogin(owner)
	if parent == nil || o == nil || o == parent.owner || f.repoByName(owner+"/"+parent.name) != nil {
		return 0, fmt.Errorf("emulator: cannot fork %s to %s", fullName, owner)
	}
	r := f.newRepository(o, parent.name, RepositoryOptions{Private: parent.private, DefaultBranch: parent.defaultBranch})
	r.parent = parent
	if err := f.initRepository(r); err != nil {
		return 0, err
	}
	if _, err := f.git.in(r, "fetch", "-q", parent.dir, "+refs/heads/*:refs/heads/*"); err != nil {
		return 0, fmt.Errorf("emulator: forking %s: %w", fullName, err)
	}
	f.repos = append(f.repos, r)
	return r.id, nil
}

// userByLogin needs the lock; logins are compared without regard to case, as on GitHub.
func (f *Forge) userByLogin(login string) *user {
	for _, u := range f.users {
		if strings.EqualFold(u.login, login) {
			return u
		}
	}
	return nil
}

// repoByName needs the lock.
func (f *Forge) repoByName(fullName string) *repository {
	for _, r := range f.repos {
		if strings.EqualFold(r.fullName(), fullName) {
			return r
		}
	}
	return nil
}

func (f *Forge) repoByID(id int64) *repository {
	for _, r := range f.repos {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (u *user) displayName() string { return cmp.Or(u.name, u.login) }

// address is the person's e-mail address, or GitHub's noreply form of it.
func (u *user) address(f *Forge) string {
	if f.azure != nil {
		return f.mail(u)
	}
	return cmp.Or(u.email, fmt.Sprintf("%d+%s@users.noreply.%s", u.id, u.login, f.noreplyHost()))
}

// noreplyHost is the host name without the port, as in GitHub Enterprise Server's noreply addresses.
func (f *Forge) noreplyHost() string {
	host := strings.TrimPrefix(strings.TrimPrefix(f.base, "http://"), "https://")
	name, _, _ := strings.Cut(host, ":")
	return name
}

// stamp is GitHub's date format.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
