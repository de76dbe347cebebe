package gitops

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Most fetches bring nothing: the branch is where it was. One request tells (gitprotocol-v2(5), ls-refs), where git
// takes four processes and three requests to find out. It can only spare a fetch: whatever is not exactly the commit
// that is known already is fetched by git, with all its checks, and so is what a server that does not know the request
// answers.

// Bounds of asking for a tip.
const (
	tipTime   = 10 * time.Second
	tipAnswer = 64 << 10 // bytes
)

// tipAgent begins as git's own does: forges tell by that what a request to such an address is.
const tipAgent = "git/CoderFlow"

// tipClient asks for tips as git fetches: of the same authorities, through the same proxy, and to nowhere else.
func tipClient(opts Options) (*http.Client, error) {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: tipTime}).DialContext,
		TLSHandshakeTimeout: tipTime, IdleConnTimeout: 30 * time.Second, MaxIdleConns: 8, MaxIdleConnsPerHost: 2,
		MaxResponseHeaderBytes: tipAnswer, ForceAttemptHTTP2: true,
	}
	if opts.Proxy != "" {
		proxy, err := url.Parse(opts.Proxy)
		if err != nil {
			return nil, fmt.Errorf("the proxy's URL: %w", err)
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	if opts.CAFile != "" {
		text, err := os.ReadFile(opts.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s has no certificate in PEM", opts.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: tipTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("a git server does not redirect") // the credential is for this place
	}}, nil
}

// askTip asks the remote where a branch is. Any error says no more than that git has to.
func (g *Git) askTip(ctx context.Context, remote Remote, branch string) (commit string, err error) {
	if _, err := g.networkConfig(&remote); err != nil {
		return "", err
	}
	ref := branchPrefix + branch
	question := pkt("command=ls-refs\n") + "0001" + pkt("ref-prefix "+ref+"\n") + "0000"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(remote.URL, "/")+"/git-upload-pack", strings.NewReader(question))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	request.Header.Set("Accept", "application/x-git-upload-pack-result")
	request.Header.Set("Git-Protocol", "version=2")
	request.Header.Set("User-Agent", tipAgent)
	if secret := remote.Token.Value; secret.Reveal() != "" {
		if err := checkSecret(secret); err != nil {
			return "", err
		}
		request.SetBasicAuth(askpassUser, secret.Reveal())
	}
	answer, err := g.tips.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/x-git-upload-pack-result" {
		return "", fmt.Errorf("%s answers %s", remote.Repository.Key(), answer.Status)
	}
	return tipIn(io.LimitReader(answer.Body, tipAnswer), ref)
}

// pkt is a line as git sends it: its length in hexadecimal digits first (gitprotocol-common(5)).
func pkt(line string) string { return fmt.Sprintf("%04x%s", len(line)+4, line) }

// tipIn finds the commit of a ref in the answer to ls-refs.
func tipIn(answer io.Reader, ref string) (string, error) {
	in := bufio.NewReader(answer)
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(in, head); err != nil {
			return "", fmt.Errorf("read the refs: %w", err)
		}
		length, err := strconv.ParseUint(string(head), 16, 16)
		if err != nil || length < 5 { // "0000" is the end
			return "", fmt.Errorf("the answer has no %s before %.4q", ref, head)
		}
		line := make([]byte, length-4)
		if _, err := io.ReadFull(in, line); err != nil {
			return "", fmt.Errorf("read the refs: %w", err)
		}
		id, name, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		if name == ref {
			return id, checkID("tip", id)
		}
	}
}
