package guestproto

import "bytes"

// What a run writes goes through the engine's log, which is made for lines: it splits what is longer than 16 KiB,
// some engines lose the newline of such a line (seen with 20.10's "local" driver), and what has no newline yet is
// not shown. So pid 1 sends pieces, each a line of its own that begins with a mark, and the host joins them again:
//
//	'|' text   text and a newline
//	'+' text   text that goes on in the next piece
const (
	pieceLine = '|'
	pieceOpen = '+'

	// MaxPiece is the longest text of a piece, in bytes.
	MaxPiece = 8 << 10
)

// AppendPieces appends chunk, as pieces, to out and returns how many they are.
func AppendPieces(out, chunk []byte) (all []byte, pieces int) {
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		mark, rest := byte(pieceLine), end+1
		if end < 0 || end > MaxPiece {
			end = min(len(chunk), MaxPiece)
			mark, rest = pieceOpen, end
		}
		out = append(out, mark)
		out = append(out, chunk[:end]...)
		out = append(out, '\n')
		chunk = chunk[rest:]
		pieces++
	}
	return out, pieces
}

// Joiner turns pieces into what was written. It is fed the engine's log in any portions.
type Joiner struct {
	inside bool // a piece
	mark   byte
}

// Join appends to out what the next portion of the log means. A line without a mark, which pid 1 never writes, is
// taken as it is.
func (j *Joiner) Join(out, log []byte) []byte {
	for _, b := range log {
		switch {
		case !j.inside:
			j.inside, j.mark = true, b
			if b == pieceLine || b == pieceOpen {
				continue
			}
			out = append(out, b)
			j.inside = b != '\n'
		case b != '\n':
			out = append(out, b)
		default:
			j.inside = false
			if j.mark != pieceOpen {
				out = append(out, b)
			}
		}
	}
	return out
}
