// Package store keeps CoderFlow's state in SQLite or PostgreSQL, with one set of
// queries for both and one conformance suite that both pass.
//
// What it promises:
//
//   - A transaction ([Store.InTx]) holds rows, audit entries and jobs together.
//   - A task changes its state only along task.Transitions and only under the
//     epoch that the writer read; SQL checks both in the UPDATE itself.
//   - The audit log, approvals and manifests are append-only; triggers refuse
//     everything else, whoever asks.
//   - What a method acknowledged survives a power loss: SQLite runs with
//     synchronous=FULL, PostgreSQL with synchronous_commit=on.
//   - Every statement has a deadline. A locked or dead database makes errors.
//
// Audit numbers have no gaps and follow the order of the commits. That takes one
// writer at a time: SQLite has no more than one anyway, and on PostgreSQL a
// transaction takes an advisory lock as its very last act before the commit. The
// Merkle tree over the log depends on this order; the price, one audited commit
// after the other, is small beside a container start.
package store
