package emulator

import "time"

// The types below are the state that only Azure DevOps has. Every field is guarded by Forge.mu. Users,
// repositories, refs and pull requests are those of state.go; a project is the account that owns repositories.

type azureState struct {
	organization  string
	tenant        string
	account       *user // CoderFlow's own
	tokens        map[string]*accessToken
	principals    map[string]*principal // by client id
	items         []*workItem
	lastItem      int
	lastPull      int
	moment        time.Time
	subscriptions []*subscription
	hookURL       string
	hookUser      string
	hookPassword  string
	policies      []*policy
	bypass        map[[2]int64]bool // repository and user that policies do not bind
	pipelines     []*pipeline
	runs          []*pipelineRun
}

// accessToken is a personal access token with scopes, or a token of Microsoft Entra.
type accessToken struct {
	value   string
	user    *user
	scopes  []string  // nil: full access
	expires time.Time // zero: never
	entra   bool      // taken as bearer only
}

// principal is a service principal that gets its tokens for a client secret.
type principal struct {
	user   *user
	secret string
}

// azurePull is what a pull request has beside its branches and texts.
type azurePull struct {
	status     string // active, abandoned or completed
	created    time.Time
	closed     time.Time
	closedBy   *user
	iterations []*iteration
	threads    []*thread
	reviewers  []*reviewer
	statuses   []*pullStatus
	items      []*workItem
	preview    string // the merge that the service tries out, under refs/pull/ID/merge; "" on conflicts
	completion obj    // completionOptions as they were sent
}

// iteration is one state of the source branch.
type iteration struct {
	id                     int
	author                 *user
	reason                 string // create, push, forcePush or retarget
	source, target, common string
	oldTarget, newTarget   string // ref names, of retarget
	at                     time.Time
	push                   *Push
}

// thread is a conversation, or what the service notes of an event.
type thread struct {
	id         int64
	pull       *pull
	status     string // "" is none
	comments   []*threadComment
	properties map[string]any
	identities []*user
	context    *threadContext
	within     *pullContext
	published  time.Time
	updated    time.Time
}

type threadComment struct {
	id, parent int
	author     *user
	content    string
	kind       string // text, codeChange or system
	deleted    bool
	published  time.Time
	updated    time.Time
	edited     time.Time
	likes      []*user
}

// filePosition is a place in a file; both count from 1.
type filePosition struct {
	Line   int `json:"line"`
	Offset int `json:"offset"`
}

type threadContext struct {
	FilePath       string        `json:"filePath"`
	LeftFileStart  *filePosition `json:"leftFileStart"`
	LeftFileEnd    *filePosition `json:"leftFileEnd"`
	RightFileStart *filePosition `json:"rightFileStart"`
	RightFileEnd   *filePosition `json:"rightFileEnd"`
}

// pullContext says between which iterations a thread was opened.
type pullContext struct {
	ChangeTrackingID *int              `json:"changeTrackingId"`
	IterationContext *iterationContext `json:"iterationContext"`
}

type iterationContext struct {
	First  int `json:"firstComparingIteration"`
	Second int `json:"secondComparingIteration"`
}

// reviewer is a person or a team with a vote on a pull request.
type reviewer struct {
	user     *user
	team     *team
	vote     int
	required bool
	declined bool
	flagged  bool
}

type pullStatus struct {
	id          int
	iteration   int // 0: of the pull request as a whole
	genre, name string
	state       string
	description string
	target      string
	creator     *user
	created     time.Time
}

type workItem struct {
	id        int
	rev       int
	project   *user
	fields    map[string]any // plain values, and *user for identities
	relations []obj
	updates   []*itemUpdate
	comments  []*itemComment
	events    []string // as IssueEvents tells them
}

// itemUpdate is what one revision changed.
type itemUpdate struct {
	rev     int
	by      *user
	at      time.Time
	fields  map[string][2]any // old, new
	comment *itemComment
}

type itemComment struct {
	id         int64
	item       *workItem
	author     *user
	editor     *user
	text       string
	version    int
	deleted    bool
	created    time.Time
	modified   time.Time
	reactions  []*reaction
	inRevision int
}
