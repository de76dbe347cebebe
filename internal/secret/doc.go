// Package secret keeps known secret values out of what leaves: a [Value] never
// prints itself, and a [Redactor] replaces values in text, in the encodings in
// which programs commonly write them.
//
// Redaction is a net, not a wall: whoever holds a secret can transform it in ways
// that no list foresees (encryption, compression, one letter a line). The wall is
// that a container gets no secret that it does not need.
package secret
