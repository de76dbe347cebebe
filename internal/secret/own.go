package secret

import "hash/crc32"

// An API token of CoderFlow is ownPrefix, 52 characters of base32 in lower case,
// and the CRC-32 of both as 8 hexadecimal digits; see package token. Everything
// that has this form is redacted, whoever's token it is: that the server knows
// only hashes does not matter.
const (
	ownPrefix = "cfp_"
	ownBody   = len(ownPrefix) + 52
	ownLength = ownBody + 8
	ownName   = "api-token"
	ownOwner  = -1 // of a span
)

func (r *Redactor) mark(owner int32) string {
	if owner == ownOwner {
		return mark(ownName)
	}
	return mark(r.names[owner])
}

// ownToken recognizes tokens in a stream, one byte after the other.
type ownToken struct {
	n     int   // characters that fit so far
	from  int64 // offset of the first
	sum   uint32
	given uint32 // the checksum as it stands there
	last  uint32 // the last four bytes
	at    [4]int64
	seen  int // bytes; at[seen%4] is the oldest of the last offsets
}

func (t *ownToken) reset() { *t = ownToken{} }

// take takes the byte at an offset and reports whether a token ends with it.
func (t *ownToken) take(b byte, offset int64) bool {
	t.last = t.last<<8 | uint32(b)
	t.at[t.seen&3] = offset
	t.seen++
	if !t.fits(b) {
		if t.n > 0 {
			t.again()
		}
		return false
	}
	if t.n == 0 {
		t.from, t.sum, t.given = offset, 0, 0
	}
	if t.n < ownBody {
		t.sum = crc32.Update(t.sum, crc32.IEEETable, []byte{b})
	} else {
		t.given = t.given<<4 | uint32(hexDigit(b))
	}
	if t.n++; t.n < ownLength {
		return false
	}
	if t.given != t.sum {
		t.again()
		return false
	}
	t.n = 0
	return true
}

func (t *ownToken) fits(b byte) bool {
	switch {
	case t.n < len(ownPrefix):
		return b == ownPrefix[t.n]
	case t.n < ownBody:
		return b >= 'a' && b <= 'z' || b >= '2' && b <= '7'
	}
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f'
}

func hexDigit(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b - 'a' + 10
}

// again goes on with the longest end of what was read that begins a token.
func (t *ownToken) again() {
	for n := len(ownPrefix); n > 0; n-- {
		if t.endsWith(ownPrefix[:n]) {
			t.n, t.from, t.given = n, t.at[(t.seen-n)&3], 0
			t.sum = crc32.ChecksumIEEE([]byte(ownPrefix[:n]))
			return
		}
	}
	t.n = 0
}

func (t *ownToken) endsWith(text string) bool {
	if t.seen < len(text) {
		return false
	}
	for i := range len(text) {
		if byte(t.last>>(8*(len(text)-1-i))) != text[i] {
			return false
		}
	}
	return true
}
