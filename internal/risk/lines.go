package risk

import (
	"slices"
	"sort"
)

// Span are the lines From to To, both of them, counted from 1.
type Span struct{ From, To int }

// Lines are sorted spans of lines.
type Lines []Span

// Add notes one more line, in ascending order.
func (l *Lines) Add(line int) {
	if n := len(*l); n > 0 && (*l)[n-1].To+1 >= line {
		(*l)[n-1].To = max((*l)[n-1].To, line)
		return
	}
	*l = append(*l, Span{line, line})
}

// touches says that one of the lines from..to is among l.
func (l Lines) touches(from, to int) bool {
	i := sort.Search(len(l), func(i int) bool { return l[i].To >= from })
	return i < len(l) && l[i].From <= to
}

// sorted puts spans in order and joins those that overlap.
func (l Lines) sorted() Lines {
	slices.SortFunc(l, func(a, b Span) int { return a.From - b.From })
	var out Lines
	for _, s := range l {
		if n := len(out); n > 0 && out[n-1].To >= s.From {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}
