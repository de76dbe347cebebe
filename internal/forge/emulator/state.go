package emulator

import (
	"crypto/rsa"
	"encoding/base64"
	"strconv"
	"time"
)

// The types below are the one state. Every field is guarded by Forge.mu unless its comment says otherwise.

const (
	typeUser         = "User"
	typeBot          = "Bot"
	typeOrganization = "Organization"
)

type user struct {
	id        int64
	login     string
	name      string
	email     string
	kind      string // typeUser, typeBot or typeOrganization
	token     string // personal access token; empty for bots and organizations
	siteAdmin bool
	app       *app // of a bot
	principal bool // a service principal of Azure DevOps
	created   time.Time
}

type app struct {
	id            int64
	slug          string
	manifest      AppManifest
	owner         *user
	bot           *user
	key           *rsa.PrivateKey
	clientID      string
	clientSecret  string
	webhookSecret string
	hookID        int64
	hookURL       string
	created       time.Time
	installations []*installation
	deliveries    []*delivery
}

type installation struct {
	id      int64
	app     *app
	account *user
	repos   map[int64]*repository
	created time.Time
	updated time.Time
}

// installationToken is a bearer of at most its installation's rights.
type installationToken struct {
	token        string
	installation *installation
	repos        map[int64]bool // nil: every repository of the installation
	permissions  map[string]string
	expires      time.Time
}

type repository struct {
	id            int64
	name          string
	owner         *user
	description   string
	private       bool
	defaultBranch string
	refuseDrafts  bool
	parent        *repository // of a fork
	dir           string      // bare repository on disk
	collaborators map[int64]string
	labels        map[string]*label // by lower-case name
	issues        []*issue          // by number; pull requests are issues, and on Azure DevOps only they
	events        []*issueEvent
	checks        []*checkRun
	suites        map[string]*checkSuite // by app id and head
	statuses      []*commitStatus
	deployments   []*deployment
	protections   map[string]*Protection
	rulesets      []Ruleset
	archived      bool
	pushes        []*Push
	created       time.Time
	updated       time.Time
	pushed        time.Time
	comparisons   map[string]*comparison // by "base...head" commit ids; immutable once made
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

type label struct {
	id          int64
	name        string
	color       string
	description string
}

type issue struct {
	id          int64
	number      int
	repo        *repository
	title       string
	body        string
	open        bool
	stateReason string
	author      *user
	via         *app
	labels      []*label
	assignees   []*user
	comments    []*comment
	reactions   []*reaction
	created     time.Time
	updated     time.Time
	closed      time.Time
	closedBy    *user
	pull        *pull // nil for an issue proper
}

type comment struct {
	id        int64
	issue     *issue
	author    *user
	via       *app
	body      string
	reactions []*reaction
	created   time.Time
	updated   time.Time
}

type reaction struct {
	id      int64
	author  *user
	content string
	created time.Time
}

type issueEvent struct {
	id      int64
	issue   *issue
	actor   *user
	via     *app
	event   string
	commit  string
	label   *label
	rename  [2]string // from, to
	review  *review   // of review_dismissed
	message string    // of review_dismissed
	was     string    // the review's state before
	// dismissal is the commit whose push made the forge dismiss the review; empty if a person did.
	dismissal string
	created   time.Time
}

type pull struct {
	id       int64
	issue    *issue
	draft    bool
	headRepo *repository
	headRef  string // branch name
	headSHA  string
	baseRef  string
	baseSHA  string
	merged   time.Time
	mergedBy *user
	mergeSHA string
	reviews  []*review
	azure    *azurePull // of Azure DevOps; nil on GitHub
}

type review struct {
	id        int64
	pull      *pull
	author    *user
	body      string
	state     string // PENDING, APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED
	comments  []*reviewComment
	commit    string
	submitted time.Time
}

type checkSuite struct {
	id      int64
	app     *app
	head    string
	created time.Time
	updated time.Time
}

type checkRun struct {
	id         int64
	app        *app
	suite      *checkSuite
	name       string
	head       string
	externalID string
	detailsURL string
	status     string
	conclusion string
	started    time.Time
	completed  time.Time
	title      string
	summary    string
	text       string
	actions    []checkAction
	// annotations are in the order in which they came.
	annotations []annotation
}

type checkAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

type commitStatus struct {
	id          int64
	sha         string
	state       string
	target      string
	description string
	genre       string // of Azure DevOps
	context     string
	creator     *user
	created     time.Time
}

type deployment struct {
	id          int64
	sha         string
	ref         string
	task        string
	environment string
	description string
	payload     any
	transient   bool
	production  bool
	creator     *user
	via         *app
	created     time.Time
	updated     time.Time
	statuses    []*deploymentStatus
}

type deploymentStatus struct {
	id             int64
	state          string
	description    string
	environment    string
	environmentURL string
	logURL         string
	targetURL      string
	creator        *user
	via            *app
	created        time.Time
}

// nodeID makes an opaque global id that names its kind; GraphQL takes the same.
func nodeID(kind string, id int64) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString([]byte("emulator:"+strconv.FormatInt(id, 10)))
}

// issue returns the issue or pull request with that number, or nil.
func (r *repository) issue(number int) *issue {
	if number > 0 && number <= len(r.issues) && r.issues[number-1].number == number {
		return r.issues[number-1] // GitHub leaves no number out
	}
	for _, i := range r.issues {
		if i.number == number {
			return i
		}
	}
	return nil
}

func (r *repository) pulls() []*pull {
	var out []*pull
	for _, i := range r.issues {
		if i.pull != nil {
			out = append(out, i.pull)
		}
	}
	return out
}

func (i *issue) hasLabel(l *label) bool {
	for _, have := range i.labels {
		if have == l {
			return true
		}
	}
	return false
}
