package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
)

type deployCmd struct {
	whereFlags
	outputFlag
	Target     string        `arg:"" optional:"" placeholder:"ENVIRONMENT/PROFILE" help:"What to run, and where."`
	Commit     string        `placeholder:"SHA" help:"Full id of the commit: one that an approval made, or the merge of one."`
	Repository string        `placeholder:"OWNER/NAME" help:"Repository of the commit, if the same commit was approved in several."`
	Param      []string      `sep:"none" placeholder:"NAME=VALUE" help:"A parameter of the profile; again for each."`
	Again      string        `placeholder:"DEPLOYMENT" help:"Instead: profile, commit and parameters of that deployment once more, under checks made anew."`
	Reason     string        `placeholder:"TEXT" help:"Why, for the record: one line."`
	Wait       bool          `help:"Print the output until it has ended; the exit status says how."`
	Timeout    time.Duration `placeholder:"DURATION" help:"With --wait: for so long at the most; the deployment itself goes on."`
	Key        string        `placeholder:"TEXT" help:"Names this request: the same one again gives the run that it made. Default: a random one."`
}

// Help implements kong.HelpProvider.
func (deployCmd) Help() string {
	return `Only a commit that an approval covers can be deployed, as 'coderflow deployments profiles' lists, at a server, in your own
name: who may, and whether the approval is enough for this environment, is decided when it is asked for and again when it starts.

Exit status with --wait: 0 it succeeded, 1 it failed, was withheld, or its outcome is unknown; its own exit status is
printed. Without: 0 it was accepted. Ctrl-C and --timeout end the waiting only. A rollback is the earlier commit.

Examples:

  coderflow deploy staging/publish --commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 --param channel=beta --wait
  coderflow deploy --again 9f86d081884c7d65 --reason full-disk --wait`
}

// Run asks for a deployment, and waits for it if that is wanted.
func (c deployCmd) Run(ctx context.Context, s streams) error {
	request, err := c.request()
	if err != nil {
		return err
	}
	server, err := c.server(s)
	if err != nil {
		return err
	}
	if c.Again != "" {
		if request, err = c.again(ctx, server, request); err != nil {
			return err
		}
	}
	run, err := requestDeployment(ctx, s, server, request)
	if err != nil {
		return err
	}
	if c.Wait {
		return deployWait{server: server, s: s, output: c.outputFlag, timeout: c.Timeout}.run(ctx, run)
	}
	return c.print(s, run, func(t *table) { drawDeployment(t, run) })
}

// server is where a deployment can be asked for. On the server's machine nobody
// is anybody in particular, and a deployment is asked for by somebody.
func (c deployCmd) server(s streams) (*client.Client, error) {
	p, err := c.place(s.err)
	if err != nil {
		return nil, err
	}
	if p.server == nil {
		return nil, usage("a deployment is asked for at a server, in somebody's name, and here is only a database: " +
			"`coderflow login --server URL` signs you in, --server and --token-file take a token")
	}
	return p.server, nil
}

var (
	fullCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	requestKey = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)
)

// request is what the command line says.
func (c deployCmd) request() (client.DeployRequest, error) {
	r := client.DeployRequest{Repository: c.Repository, Commit: c.Commit, Reason: c.Reason, Key: c.Key}
	switch {
	case c.Key == "":
		r.Key = rand.Text()
	case !requestKey.MatchString(c.Key):
		return r, usage("--key: want 8 to 64 letters, digits, dots, dashes, underscores")
	}
	if c.Timeout < 0 || c.Timeout > 0 && !c.Wait {
		return r, usage("--timeout bounds the waiting of --wait")
	}
	if c.Again != "" {
		if c.Target != "" || c.Commit != "" || c.Repository != "" || len(c.Param) > 0 {
			return r, usage("--again takes everything but --reason from that deployment: leave the rest out")
		}
		return r, nil
	}
	environment, profile, ok := strings.Cut(c.Target, "/")
	if !ok || environment == "" || profile == "" || strings.Contains(profile, "/") {
		return r, usage("want ENVIRONMENT/PROFILE, for example staging/publish, or --again DEPLOYMENT; `coderflow deployments profiles` lists them")
	}
	r.Environment, r.Profile = environment, profile
	switch {
	case c.Commit == "":
		return r, usage("--commit is missing: the full id of the commit to deploy")
	case !fullCommit.MatchString(c.Commit):
		return r, usage("--commit: want the full id, 40 or 64 hexadecimal digits; `git rev-parse %s` prints it", oneLine(c.Commit))
	}
	var err error
	r.Parameters, err = parameters(c.Param)
	return r, err
}

// parameters reads NAME=VALUE. A value is taken as it is, whatever is in it.
func parameters(given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usage("--param: want NAME=VALUE, not %q", text)
		}
		if _, twice := all[name]; twice {
			return nil, usage("--param: %s is given twice", name)
		}
		all[name] = value
	}
	return all, nil
}

// again is the request that made another run, with its own key and reason.
func (c deployCmd) again(ctx context.Context, server *client.Client, r client.DeployRequest) (client.DeployRequest, error) {
	if !deploymentID.MatchString(c.Again) {
		return r, notFound("there is no deployment %q", c.Again)
	}
	former, err := server.Deployment(ctx, c.Again)
	if err != nil {
		return r, noDeployment(c.Again, err)
	}
	r.Environment, r.Profile, r.Commit, r.Repository = former.Environment, former.Profile, former.Commit, former.Repository.Name
	r.Parameters = former.Parameters
	return r, nil
}

// Times of a request that is sent again.
const (
	requestTries = 5
	requestWait  = time.Second // after the first; it doubles
)

// requestDeployment sends the request until there is an answer to it: its key
// makes it one run, however often it arrives.
func requestDeployment(ctx context.Context, s streams, server *client.Client, r client.DeployRequest) (client.Deployment, error) {
	for try, wait := 1, requestWait; ; try, wait = try+1, 2*wait {
		run, err := server.Deploy(ctx, r)
		asked, temporary := client.Temporary(err)
		if err == nil || !temporary || try == requestTries || ctx.Err() != nil {
			return run, err
		}
		fmt.Fprintln(s.err, "coderflow: trying again:", visible(err.Error()))
		if err := sleep(ctx, max(wait, asked)); err != nil {
			return run, err
		}
	}
}
