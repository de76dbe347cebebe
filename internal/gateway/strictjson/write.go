package strictjson

import "unicode/utf8"

// Append writes the value in its only form: no white space, no needless escapes.
func (n *Node) Append(out []byte) []byte {
	switch n.Kind {
	case String:
		if n.raw != "" {
			return append(append(append(out, '"'), n.raw...), '"')
		}
		return appendString(out, n.Text)
	case Array:
		out = append(out, '[')
		for i, item := range n.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.Append(out)
		}
		return append(out, ']')
	case Object:
		out = append(out, '{')
		for i := range n.Members {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, n.Members[i].Key)
			out = append(out, ':')
			out = n.Members[i].Value.Append(out)
		}
		return append(out, '}')
	default:
		return append(out, n.Text...)
	}
}

const digits = "0123456789abcdef"

func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if plain[c] {
			continue
		}
		out = append(out, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(out, s[start:]...), '"')
}

// Strings passes every string and key through change, which returns the new text,
// and every literal too, which becomes a string if it changes.
// Two keys that change into one are told apart by an apostrophe.
func (n *Node) Strings(change func(string) string) {
	switch n.Kind {
	case String:
		switch changed := change(n.Text); {
		case changed == n.Text:
		case utf8.ValidString(changed):
			n.Text, n.raw = changed, ""
		default:
			n.Text, n.raw = string([]rune(changed)), ""
		}
	case Array:
		for _, item := range n.Items {
			item.Strings(change)
		}
	case Object:
		for i := range n.Members {
			n.Members[i].Value.Strings(change)
			if key := change(n.Members[i].Key); key != n.Members[i].Key {
				for n.Get(key) != nil {
					key += "'"
				}
				n.Members[i].Key = key
			}
		}
	case Literal:
		if changed := change(n.Text); changed != n.Text {
			n.Kind, n.Text = String, changed
		}
	}
}
