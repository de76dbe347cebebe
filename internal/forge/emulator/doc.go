// Package emulator is a local GitHub, or Azure DevOps, for `coderflow demo`, `coderflow forge` and the integration tests.
//
// One in-memory state stands behind four faces that are laid out as on a GitHub Enterprise Server:
// REST (/api/v3/), GraphQL (/api/graphql, the two draft mutations only), git over smart HTTP
// (/OWNER/REPO.git, real bare repositories behind git's own http-backend), and a small HTML view (/).
// Signed webhooks go out in order, once each: like GitHub, it never retries by itself.
//
// Where it matters for a bot it behaves as GitHub does: App JWTs, installation tokens whose narrowing and
// expiry are enforced on every call, 404 for what the caller may not see, pull request heads that follow
// their branch, reviews, branch protection in a pre-receive hook, merges, ETags, pagination.
//
// Invariant: what it does not know fails loudly. An unknown route, query parameter, body field or GraphQL
// operation is answered 501, named in the body, and listed by [Forge.Unknown], so that a test can fail on it.
//
// With Options.Kind forge.AzureDevOps it is an organization of Azure DevOps instead, with that service's REST API, git
// addresses, service hooks and words, over the same users, repositories, pushes and pull requests, and with the same
// invariant. Work items, threads, votes, iterations, statuses and policies are only there; files azure_*.go.
//
// Limits: merges that are no fast-forward need git 2.38 (merge-tree); state is lost on exit; no teams, milestones, projects, review comments on lines, Actions or search.
package emulator
