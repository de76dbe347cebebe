// Package modeltest is a scripted language model for tests at the far edge. It
// speaks the published HTTP interfaces that coding agents use (Anthropic
// Messages, OpenAI Responses and Chat Completions, Gemini generateContent),
// streamed and not, and drives an agent through a Script with the agent's own
// shell tool.
//
// It keeps no conversation: which turn is next follows from the number of tool
// results in the request, so a retry gets the same answer and side requests
// (titles, summaries, routing) get a short one of their own.
//
// What it does not know, it refuses: an unknown path, a missing field that the
// real interface demands, an unknown content type. Every refusal is in
// [Server.Problems], so that a test can demand that there were none.
package modeltest
