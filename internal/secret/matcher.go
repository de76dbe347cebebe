package secret

// lower folds the capital letters of ASCII. Matching ignores case, so that one
// pattern stands for every spelling of a hexadecimal or percent encoding; that a
// value is also found in the wrong case does no harm.
var lower = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			table[i] = byte(i) + 'a' - 'A'
		}
	}
	return table
}()

// node is one state of the Aho–Corasick automaton. Children are a linked list:
// nearly every node has one, and a table for each would take a kilobyte.
type node struct {
	child, sibling int32
	fail           int32
	depth          int32 // bytes since the root
	match          int32 // length of the longest pattern that ends here, 0 for none
	owner          int32 // whose pattern that is
	b              byte
}

// matcher finds all patterns in one pass. It never changes once built.
type matcher struct {
	nodes []node
	root  [256]int32
	deep  int // length of the longest pattern
	// groups has a bit for each hash of a group that lies within the first
	// MinLength bytes of a pattern.
	groups [1 << (nearBits - 6)]uint64
}

const (
	group  = 3                     // bytes that are looked up together
	stride = MinLength - group + 1 // every stride-th group is looked up
	// nearBits is the size of the table: large enough that few groups of ordinary
	// text are in it by chance.
	nearBits = 17
)

// nearHash places a group in the table.
func nearHash(g uint32) uint32 { return g * 0x9E3779B1 >> (32 - nearBits) }

// near says that a group may be one of the first of a pattern.
func (m *matcher) near(g uint32) bool {
	h := nearHash(g)
	return m.groups[h>>6]>>(h&63)&1 != 0
}

// note puts the first groups of a pattern into the table.
func (m *matcher) note(p string) {
	for i := range stride {
		h := nearHash(uint32(p[i])<<16 | uint32(p[i+1])<<8 | uint32(p[i+2]))
		m.groups[h>>6] |= 1 << (h & 63)
	}
}

// walk says that a pattern is at the very beginning of a text without line breaks.
func walk[T string | []byte](m *matcher, text T) bool {
	at := int32(0)
	for i := range len(text) {
		if at = m.childOf(at, lower[text[i]]); at == 0 {
			return false
		}
		if m.nodes[at].match > 0 {
			return true
		}
	}
	return false
}

// newMatcher builds the automaton; patterns[i] belong to owner i and are folded.
func newMatcher(patterns [][]string) *matcher {
	m := &matcher{nodes: make([]node, 1)}
	for owner, list := range patterns {
		for _, p := range list {
			m.insert(p, int32(owner)) //nolint:gosec // a handful of values
			m.note(p)
			m.deep = max(m.deep, len(p))
		}
	}
	m.link()
	m.nodes = append([]node(nil), m.nodes...) // drop the spare capacity
	return m
}

func (m *matcher) insert(p string, owner int32) {
	at := int32(0)
	for i := range len(p) {
		next := m.childOf(at, p[i])
		if next == 0 {
			next = int32(len(m.nodes)) //nolint:gosec // bounded by MaxLength
			m.nodes = append(m.nodes, node{sibling: m.nodes[at].child, depth: m.nodes[at].depth + 1, b: p[i]})
			m.nodes[at].child = next
			if at == 0 {
				m.root[p[i]] = next
			}
		}
		at = next
	}
	if m.nodes[at].match == 0 {
		m.nodes[at].match, m.nodes[at].owner = m.nodes[at].depth, owner
	}
}

// childOf is the child by a byte, or 0.
func (m *matcher) childOf(at int32, b byte) int32 {
	if at == 0 {
		return m.root[b]
	}
	for c := m.nodes[at].child; c != 0; c = m.nodes[c].sibling {
		if m.nodes[c].b == b {
			return c
		}
	}
	return 0
}

// link sets where each state goes on when a byte does not fit, breadth first.
func (m *matcher) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c := m.nodes[at].child; c != 0; c = m.nodes[c].sibling {
			if at != 0 {
				m.nodes[c].fail = m.step(m.nodes[at].fail, m.nodes[c].b)
			}
			if m.nodes[c].match == 0 {
				shorter := m.nodes[m.nodes[c].fail]
				m.nodes[c].match, m.nodes[c].owner = shorter.match, shorter.owner
			}
			queue = append(queue, c)
		}
	}
}

// step is the state after a folded byte.
func (m *matcher) step(at int32, b byte) int32 {
	for at != 0 {
		if next := m.childOf(at, b); next != 0 {
			return next
		}
		at = m.nodes[at].fail
	}
	return m.root[b]
}
