package risk

import "context"

// NotScanned is the risk of a file that was not looked through to its end.
const NotScanned = "not-scanned"

// Work that one file may cost, in steps of about one byte or word looked at once.
// Ordinary files need 2 to 30 a byte.
const (
	workPerByte = 100
	workAtLeast = 4 << 20
	workBetween = 1 << 16 // looks at whether the caller still waits
)

// meter counts the work that one file costs, and ends it: a file that is made to be
// read slowly must not keep a core busy. When it is spent, the file counts as not
// looked through.
type meter struct {
	ctx        context.Context
	left, next int
	over       bool
}

func newMeter(ctx context.Context, size int) *meter {
	m := &meter{ctx: ctx, left: workAtLeast + workPerByte*size}
	m.next = m.left - workBetween
	return m
}

// spend takes n steps off and says whether to go on.
func (m *meter) spend(n int) bool {
	m.left -= n
	if m.left < m.next {
		m.next = m.left - workBetween
		m.over = m.over || m.left < 0 || m.ctx.Err() != nil
	}
	return !m.over
}

// sink takes the units of one file, and counts what reading them costs.
type sink struct {
	*meter
	each func(unit)
}

func (s *sink) emit(u unit) {
	if s.spend(1 + len(u.words)) {
		s.each(u)
	}
}

// through is a sink that does something to the units first.
func (s *sink) through(change func(*unit)) *sink {
	return &sink{s.meter, func(u unit) {
		change(&u)
		s.each(u)
	}}
}

// finding says that the file was not looked through, if that is so.
func (m *meter) finding(name, path, rule string) []Finding {
	if !m.over {
		return nil
	}
	return []Finding{{Name: name, Rule: rule, Path: path, Why: "reading it took too much work, so it was not looked through to its end"}}
}
