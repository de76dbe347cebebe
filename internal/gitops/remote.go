package gitops

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// networkConfig checks where a command may go and returns the settings for it.
func (g *Git) networkConfig(remote *Remote) ([]string, error) {
	if remote == nil {
		return nil, nil
	}
	u, err := url.Parse(remote.URL)
	if err != nil || strings.ContainsFunc(remote.URL, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("git URL of %s is malformed", remote.Repository.Key())
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || u.Host == "" {
		return nil, fmt.Errorf("git URL of %s must be scheme, host and path only", remote.Repository.Key())
	}
	config := []string{"credential.username=" + askpassUser} // which spares one question
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && (slices.Contains(g.opts.AllowHTTPHosts, u.Host) || slices.Contains(g.opts.AllowHTTPHosts, u.Hostname())):
		config = append(config, "protocol.http.allow=always")
	default:
		return nil, fmt.Errorf("git URL of %s: %s to %q is not allowed; use https", remote.Repository.Key(), u.Scheme, u.Host)
	}
	if g.opts.CAFile != "" {
		config = append(config, "http.sslCAInfo="+g.opts.CAFile)
	}
	if g.opts.Proxy != "" {
		config = append(config, "http.proxy="+g.opts.Proxy)
	}
	return config, nil
}

const branchPrefix = "refs/heads/"

// checkBranch applies the rules of git-check-ref-format(1) to the name of a
// branch, and refuses a leading dash and invisible or non-printable characters.
func checkBranch(branch string) error {
	bad := func(why string) error { return fmt.Errorf("branch name %.200q %s", branch, why) }
	switch {
	case branch == "" || len(branch) > 250:
		return bad("must have 1 to 250 bytes")
	case branch[0] == '-':
		return bad("begins with a dash")
	case branch == "@" || branch == "HEAD":
		return bad("is reserved")
	case strings.Contains(branch, "..") || strings.Contains(branch, "@{"):
		return bad("contains \"..\" or \"@{\"")
	case strings.HasSuffix(branch, "."):
		return bad("ends with a dot")
	case strings.ContainsAny(branch, " ~^:?*[\\"):
		return bad("contains a character that git does not allow")
	case strings.ContainsFunc(branch, func(r rune) bool { return printable(r) != r }):
		return bad("contains a character that cannot be shown")
	}
	for component := range strings.SplitSeq(branch, "/") {
		if component == "" || component[0] == '.' || strings.HasSuffix(component, ".lock") {
			return bad("has a part that is empty, begins with a dot or ends with \".lock\"")
		}
	}
	return nil
}

// RemoteHead returns the commit that the branch has at the forge now, or
// ErrNoBranch.
func (g *Git) RemoteHead(ctx context.Context, remote Remote, branch string) (string, error) {
	if err := checkBranch(branch); err != nil {
		return "", err
	}
	head, err := g.remoteRef(ctx, remote, branchPrefix+branch)
	if err == nil && head == "" {
		return "", fmt.Errorf("look up %s at %s: %w", branch, remote.Repository.Key(), ErrNoBranch)
	}
	return head, err
}

// remoteRef returns what a ref points to at the remote, "" if it is not there.
func (g *Git) remoteRef(ctx context.Context, remote Remote, ref string) (string, error) {
	m, err := g.openMirror(ctx, remote.Repository)
	if err != nil {
		return "", err
	}
	// ls-remote takes the name as a pattern that also fits longer names.
	out, err := g.run(ctx, invocation{
		gitDir: m.dir, remote: &remote,
		args: []string{"ls-remote", "--quiet", "--refs", "--end-of-options", remote.URL, ref},
	})
	if err != nil {
		return "", remoteError("look at "+remote.Repository.Key(), err)
	}
	for line := range strings.Lines(string(out)) {
		id, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if name == ref {
			return id, checkID("remote "+ref, id)
		}
	}
	return "", nil
}

func remoteError(operation string, err error) error {
	var failed *CommandError
	if !errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", operation, err)
	}
	words := failed.Words
	if words == "" || failed.ExitCode < 0 {
		words = strings.TrimSuffix(failed.Err.Error()+": "+words, ": ")
	}
	return &RemoteError{Operation: operation, Words: words, Err: err}
}
