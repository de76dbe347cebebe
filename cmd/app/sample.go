package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/forge/emulator"
)

// What the sample users and their project are called at a local forge of either kind.

// hostOf is the forge that the local one is.
func hostOf(info emulator.Info) string {
	if info.Azure != nil {
		return forge.AzureDevOps
	}
	return forge.GitHub
}

// sampleUser is zero for somebody whom the forge does not know.
func sampleUser(info emulator.Info, login string) (known emulator.UserInfo) {
	for _, u := range info.Users {
		if u.Login == login {
			known = u
		}
	}
	return known
}

// userID is the numeric id of a sample user at GitHub.
func userID(info emulator.Info, login string) int64 { return sampleUser(info, login).ID }

// sampleSubject is a sample user by the id that never changes.
func sampleSubject(info emulator.Info, login string) forge.Subject {
	u := sampleUser(info, login)
	if info.Azure != nil {
		return forge.Subject{Host: forge.AzureDevOps, ID: u.GUID}
	}
	return forge.Subject{Host: forge.GitHub, ID: strconv.FormatInt(u.ID, 10)}
}

// sampleRemote is where git finds the sample project.
func sampleRemote(info emulator.Info) string {
	if info.Azure != nil {
		return info.GitURL + "/" + sampleOwner + "/_git/" + sampleName
	}
	return info.GitURL + "/" + sampleRepo + ".git"
}

// webhookURL is where a server wants the forge's deliveries.
func webhookURL(info emulator.Info, server string) string {
	return "http://" + server + "/webhooks/" + hostOf(info)
}

// subject is somebody's "HOST:ID".
func (p people) subject(login string) string { return sampleSubject(p.hub.Info(), login).String() }

// loginOf is how CoderFlow calls somebody: on Azure DevOps, by the address they sign in with.
func (p people) loginOf(login string) string {
	if u := sampleUser(p.hub.Info(), login); u.Mail != "" {
		return u.Mail
	}
	return login
}

// mailOf is what a commit has of somebody who approved it.
func (p people) mailOf(login string) string {
	return forge.User{Subject: sampleSubject(p.hub.Info(), login), Login: p.loginOf(login)}.NoreplyEmail()
}

// ownLogin is CoderFlow's, in the forge's list of pushes.
func (p people) ownLogin() string {
	if info := p.hub.Info(); info.Azure != nil {
		return info.Azure.Account
	}
	return p.hub.Info().AppSlug + "[bot]"
}

// remoteAs is the sample project's remote with somebody's own token in it.
func (p people) remoteAs(login string) string {
	return strings.Replace(sampleRemote(p.hub.Info()), "http://", "http://"+login+":"+p.hub.ClientFor(login)+"@", 1)
}

// forgeSection is the part of coderflow.yaml that is about the local forge.
func forgeSection(info emulator.Info) string {
	if a := info.Azure; a != nil {
		return fmt.Sprintf(`azureDevOps:
  organizationURL: %s
  tokenFile: %s
  webhook: {username: %s, passwordFile: %s}`, a.OrganizationURL, a.TokenFile, a.WebhookUser, a.WebhookPasswordFile)
	}
	return fmt.Sprintf(`github:
  apiURL: %s
  graphqlURL: %s
  gitURL: %s
  appID: %d
  privateKeyFile: %s
  webhookSecretFile: %s
  oauth: {clientID: %s, clientSecretFile: %s}`, info.APIURL, info.GraphQLURL, info.GitURL, info.AppID, info.PrivateKeyFile, info.WebhookSecretFile,
		info.ClientID, info.ClientSecretFile)
}

// sampleEntry names the sample project in an environment.
func sampleEntry(info emulator.Info) string {
	r := info.Repositories[0]
	if info.Azure != nil {
		return fmt.Sprintf("{host: %s, name: %s, id: %s}", forge.AzureDevOps, r.FullName, r.GUID)
	}
	return fmt.Sprintf("{name: %s, id: %d}", r.FullName, r.ID)
}
