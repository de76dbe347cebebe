package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/token"
)

type loginCmd struct {
	Server    string `placeholder:"URL" help:"Address of the server. Default: that of the context."`
	Provider  string `placeholder:"NAME" help:"With whom to sign in, if the server offers several: github, or the name of an OpenID Connect provider."`
	Context   string `placeholder:"NAME" help:"Context to keep the token in. Default: the current one, or one named after the server."`
	NoBrowser bool   `help:"Open no browser, only print the address."`
}

// Help implements kong.HelpProvider.
func (loginCmd) Help() string {
	return `It prints an address and a code. Open the address in any browser, on this machine or another, and type the code.
The token that you get is kept in a file that only you can read; it ends by itself after 12 hours.

Examples:

  coderflow login --server https://coderflow.example.com
  coderflow login --provider entra --context work`
}

// offer is a provider of the server's.
type offer struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Device bool   `json:"device"`
}

// started is a device flow that has begun.
type started struct {
	Handle    string    `json:"handle"`
	UserCode  string    `json:"userCode"`
	Address   string    `json:"verificationURI"`
	Complete  string    `json:"verificationURIComplete"`
	ExpiresAt time.Time `json:"expiresAt"`
	Interval  int       `json:"interval"` // seconds
}

// signedIn is its end; without a token it is not there yet.
type signedIn struct {
	Token     string    `json:"token"`
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Login     string    `json:"login"`
	ExpiresAt time.Time `json:"expiresAt"`
	Interval  int       `json:"interval"` // seconds, while it is pending
}

// Run signs in and keeps the token.
func (c loginCmd) Run(ctx context.Context, s streams) error {
	into, err := c.context()
	if err != nil {
		return err
	}
	server, err := client.New(into.Server, token.Value{})
	if err != nil {
		return usage("--server: %w", err)
	}
	provider, err := c.provider(ctx, server)
	if err != nil {
		return err
	}
	var flow started
	if err := server.Do(ctx, http.MethodPost, []string{"auth", "device"}, nil, map[string]string{"provider": provider}, &flow); err != nil {
		return err
	}
	c.invite(s, flow)
	done, err := wait(ctx, server, flow)
	if err != nil {
		return err
	}
	return keep(ctx, s, into, done)
}

// context is where the token will be kept: what the flags name, else the current
// one, else one named after the server.
func (c loginCmd) context() (client.Context, error) {
	all, err := loadContexts()
	if err != nil {
		return client.Context{}, err
	}
	now, chosen, err := all.Current()
	if c.Context != "" {
		now, err = all.Get(c.Context)
		chosen = err == nil
		if errors.Is(err, client.ErrNoContext) {
			now, err = client.Context{Name: c.Context}, nil
		}
	}
	if err != nil && c.Server == "" {
		return client.Context{}, err
	}
	switch {
	case c.Server == "" && !chosen:
		return client.Context{}, usage("which server? Give --server https://…")
	case c.Server == "":
		return now, nil
	}
	base, err := client.ParseServer(c.Server)
	if err != nil {
		return client.Context{}, usage("--server: %w", err)
	}
	if c.Context == "" && (!chosen || now.Server != base.String()) {
		now = client.Context{Name: contextNameOf(base)}
	}
	now.Server = base.String()
	return now, nil
}

var notInContextNames = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func contextNameOf(server *url.URL) string {
	name := strings.Trim(notInContextNames.ReplaceAllString(server.Host, "-"), "-.")
	return name[:min(len(name), 64)]
}

// provider is the one that is named, or the only one.
func (c loginCmd) provider(ctx context.Context, server *client.Client) (string, error) {
	var offered struct {
		Providers []offer `json:"providers"`
	}
	err := server.Do(ctx, http.MethodGet, []string{"auth"}, nil, nil, &offered)
	if client.IsStatus(err, http.StatusNotFound) || err == nil && len(offered.Providers) == 0 {
		return "", fmt.Errorf("nobody can sign in at %s: neither github.oauth nor oidc is configured there; docs/signin.md says how", server.Server())
	}
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range offered.Providers {
		names = append(names, p.Name)
		if p.Name == c.Provider {
			return p.Name, nil
		}
	}
	switch {
	case c.Provider != "":
		return "", notFound("%s does not offer to sign in with %q; it offers: %s", server.Server(), c.Provider, strings.Join(names, ", "))
	case len(names) > 1:
		return "", usage("%s offers several ways to sign in: give --provider with one of %s", server.Server(), strings.Join(names, ", "))
	}
	return names[0], nil
}

// invite tells the person what to do.
func (c loginCmd) invite(s streams, flow started) {
	fmt.Fprintf(s.err, "Open   %s\nand type the code   %s\n", oneLine(visible(flow.Address)), oneLine(visible(flow.UserCode)))
	address := flow.Address
	if flow.Complete != "" {
		address = flow.Complete
	}
	if !c.NoBrowser && openBrowser(s.err, address) {
		fmt.Fprintln(s.err, "(It opens in your browser.)")
	}
	fmt.Fprintf(s.err, "Waiting for you to allow it, until %s. Ctrl-C ends it.\n", flow.ExpiresAt.Local().Format("15:04"))
}

// Bounds of what the server says about waiting.
const leastWait, mostWait = time.Second, time.Minute

// wait asks the server until it knows, at the pace that it gives.
func wait(ctx context.Context, server *client.Client, flow started) (signedIn, error) {
	interval := flow.Interval
	for {
		select {
		case <-ctx.Done():
			return signedIn{}, errors.New("the sign-in was given up")
		case <-time.After(min(max(time.Duration(interval)*time.Second, leastWait), mostWait)):
		}
		var answer signedIn
		err := server.Do(ctx, http.MethodPost, []string{"auth", "device", "token"}, nil, map[string]string{"handle": flow.Handle}, &answer)
		if again := (*client.Error)(nil); errors.As(err, &again) && again.Status == http.StatusTooManyRequests {
			interval = int(again.RetryAfter/time.Second) + 1
			continue
		}
		if err != nil || answer.Token != "" {
			return answer, err
		}
		interval = answer.Interval
	}
}

// keep writes the token into the contexts and tells who signed in. A token that
// cannot be kept is ended: nobody else would.
func keep(ctx context.Context, s streams, into client.Context, done signedIn) error {
	value, err := token.Parse(done.Token)
	if err != nil {
		return fmt.Errorf("%s sent something else than a token", into.Server)
	}
	into.Token, into.Subject = value, done.Subject
	server, err := client.New(into.Server, value)
	if err != nil {
		return err
	}
	path, err := client.DefaultPath()
	if err == nil {
		err = client.Edit(path, func(all *client.Contexts) error { return errors.Join(all.Put(into), all.Use(into.Name)) })
	}
	if err != nil {
		_, ended := server.RevokeToken(context.WithoutCancel(ctx), done.ID)
		return errors.Join(fmt.Errorf("keep the token: %w", err), ended)
	}
	who := done.Subject
	if done.Login != "" {
		who = done.Login + " (" + done.Subject + ")"
	}
	fmt.Fprintf(s.err, "Signed in at %s as %s; context %s.\n", into.Server, oneLine(visible(who)), into.Name)
	me, err := server.Whoami(ctx)
	if err != nil {
		return err
	}
	return outputFlag{Output: "table"}.print(s, me, func(t *table) { drawIdentity(t, me) })
}

type logoutCmd struct {
	Context string `placeholder:"NAME" help:"Which context. Default: the current one."`
}

// Help implements kong.HelpProvider.
func (logoutCmd) Help() string {
	return `The token of the context is revoked at its server, and the context is removed. If the server cannot be reached,
nothing is removed; 'coderflow context remove' forgets the token without revoking it.

Example:

  coderflow logout`
}

// Run ends the token first: forgotten, nobody could end it any more.
func (c logoutCmd) Run(ctx context.Context, s streams) error {
	all, err := loadContexts()
	if err != nil {
		return err
	}
	from, chosen, err := all.Current()
	if c.Context != "" {
		from, err = all.Get(c.Context)
		chosen = true
	}
	if err != nil {
		return err
	}
	if !chosen {
		return notFound("nobody is signed in: there is no current context; give --context")
	}
	server, err := client.New(from.Server, from.Token)
	if err != nil {
		return err
	}
	me, err := server.Whoami(ctx)
	if err == nil {
		_, err = server.RevokeToken(ctx, me.Token.ID)
	}
	if err != nil && !client.IsStatus(err, http.StatusUnauthorized) { // 401: it has ended
		return err
	}
	path, err := client.DefaultPath()
	if err != nil {
		return err
	}
	if err := client.Edit(path, func(all *client.Contexts) error { return all.Remove(from.Name) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "logged out of %s; context %s is removed\n", from.Server, from.Name)
	return err
}
