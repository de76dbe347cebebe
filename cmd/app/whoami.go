package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/token"
)

// remoteFlags are of commands that talk to a server's API.
type remoteFlags struct {
	Server    string `required:"" help:"Address of the server: https://coderflow.example.com"`
	TokenFile string `required:"" type:"path" help:"File with an API token."`
}

type whoamiCmd struct {
	remoteFlags
	outputFlag
}

// identity is the answer to whoami.
type identity struct {
	Subject string `json:"subject"`
	Token   struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		ExpiresAt time.Time `json:"expiresAt"`
	} `json:"token"`
	Rights []struct {
		Resource    string   `json:"resource"`
		Permissions []string `json:"permissions"`
	} `json:"rights"`
}

// Run asks the server whose the token is.
func (c whoamiCmd) Run(ctx context.Context, s streams) error {
	body, err := c.get(ctx, "/api/v1/whoami", s.err)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(s, json.RawMessage(body))
	}
	var me identity
	if err := json.Unmarshal(body, &me); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: is it CoderFlow? %w", visible(c.Server), err)
	}
	fmt.Fprintf(s.out, "%s, by token %s (%s), good until %s\n", visible(me.Subject), visible(me.Token.ID), visible(me.Token.Name), me.Token.ExpiresAt.Format(time.RFC3339))
	if len(me.Rights) == 0 {
		_, err := fmt.Fprintln(s.out, "It may nothing: no role is bound to its owner that it reaches.")
		return err
	}
	for _, right := range me.Rights {
		fmt.Fprintf(s.out, "  %s: %s\n", visible(right.Resource), visible(strings.Join(right.Permissions, ", ")))
	}
	return nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// get asks the API. The token goes to the named server alone: a redirection is
// an error, and so is plain HTTP to another machine.
func (r remoteFlags) get(ctx context.Context, path string, warnings io.Writer) ([]byte, error) {
	base, err := r.address()
	if err != nil {
		return nil, err
	}
	value, err := r.token(warnings)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", base.Redacted(), err)
	}
	request.Header.Set("Authorization", "Bearer "+value.Reveal())
	client := &http.Client{
		Timeout:       40 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the server does not answer: %w; check --server", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", base.Redacted(), err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, answered(response, body)
	}
	return body, nil
}

// answered is a refusal in the server's words.
func answered(response *http.Response, body []byte) error {
	var said struct {
		Error     string `json:"error"`
		RequestID string `json:"requestId"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		return fmt.Errorf("the server answers %s: is it CoderFlow? Check --server", visible(response.Status))
	}
	return fmt.Errorf("%s (%d, request %s)", visible(said.Error), response.StatusCode, visible(said.RequestID))
}

func (r remoteFlags) address() (*url.URL, error) {
	base, err := url.Parse(r.Server)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, errors.New("--server: want an address like https://coderflow.example.com")
	}
	if host := base.Hostname(); base.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("--server: %s would get the token in the clear; use https", host)
	}
	return base, nil
}

func (r remoteFlags) token(warnings io.Writer) (token.Value, error) {
	f, err := os.Open(r.TokenFile)
	if err != nil {
		return token.Value{}, fmt.Errorf("--token-file: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(warnings, "coderflow: others on this machine can read %s: chmod 600 it\n", r.TokenFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return token.Value{}, fmt.Errorf("--token-file: %w", err)
	}
	value, err := token.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return token.Value{}, fmt.Errorf("--token-file %s: %w", r.TokenFile, err)
	}
	return value, nil
}
