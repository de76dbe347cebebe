// Package gateway is the only way out of a container: the interfaces of language
// models, with the real key put in outside, and, where an environment lists them,
// named hosts through CONNECT.
//
// Invariants:
//
//   - Each task has a Unix socket of its own, and the socket is the identity:
//     nothing in a request can speak for another task.
//   - A request goes on only if its route, query, model and tools are listed. What
//     goes on is written anew from what was inspected; it goes to the provider's
//     address whatever the request says.
//   - No credential of the agent reaches the provider, and the provider's key
//     reaches no agent: not in an error, not in a header.
//   - A budget is overspent by one answer at most: see [Budget].
//   - Without a decision there is no way: an error while deciding refuses.
//
// Refusals are 403 with the protocol's own error, never 429: agents retry that
// for ever.
package gateway
