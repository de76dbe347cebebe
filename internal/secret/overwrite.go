package secret

// Overwrite redacts a piece of a longer text without changing its length: each
// value is overwritten by as much of its mark as there is room for, and stars.
// Offsets into the text stay what they were, so that whoever copies a growing
// text can go on where it stopped, in another process too. (How long the value
// was, in its encoding, is to be seen.)
//
// Of the piece only the first len(clean) bytes are certain; what follows could be
// the beginning of a value, and belongs at the beginning of the next piece. The
// last piece is all certain.
func (r *Redactor) Overwrite(piece []byte, last bool) (clean []byte, replaced int) {
	if r == nil {
		return piece, 0
	}
	s := newStream(r)
	s.inPlace = true
	clean = s.feed(piece, make([]byte, 0, len(piece)))
	if last {
		clean = s.end(clean)
	}
	return clean, s.replaced
}

// overwrite appends as many bytes as are held of the span before the offset.
func (s *stream) overwrite(out []byte, n *span, until int64) []byte {
	text := s.r.mark(n.owner)
	for at := s.base; at < until; at++ {
		if i := at - n.from; i < int64(len(text)) {
			out = append(out, text[i])
		} else {
			out = append(out, '*')
		}
	}
	return out
}
