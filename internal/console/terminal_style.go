package console

import (
	"strconv"
	"strings"
)

// style is how letters look: a colour of sixteen, 0 being the page's own, and weight.
type style struct {
	colour                       int // 1 + the colour's number
	bold, dim, italic, underline bool
}

// class names the style in app.css; every class is ours.
func (s style) class() string {
	if s == (style{}) {
		return ""
	}
	var names []string
	if s.colour > 0 {
		names = append(names, "t"+strconv.Itoa(s.colour-1))
	}
	for _, set := range []struct {
		on   bool
		name string
	}{{s.bold, "tb"}, {s.dim, "td"}, {s.italic, "ti"}, {s.underline, "tu"}} {
		if set.on {
			names = append(names, set.name)
		}
	}
	return strings.Join(names, " ")
}

// apply sets what the codes of one sequence say, each ended by a semicolon.
func (s *style) apply(codes string) {
	if codes == "" {
		return
	}
	var list []int
	for part := range strings.SplitSeq(strings.TrimSuffix(codes, ";"), ";") {
		n, err := strconv.Atoi(part)
		if part != "" && err != nil {
			return // private, or with colons: not ours
		}
		list = append(list, n)
	}
	for len(list) > 0 {
		code := list[0]
		list = list[1:]
		switch {
		case code == 38 || code == 48:
			var colour int
			colour, list = palette(list)
			if code == 38 {
				s.colour = colour
			}
		default:
			s.set(code)
		}
	}
}

func (s *style) set(code int) {
	switch {
	case code == 0:
		*s = style{}
	case code == 1:
		s.bold = true
	case code == 2:
		s.dim = true
	case code == 3:
		s.italic = true
	case code == 4:
		s.underline = true
	case code == 22:
		s.bold, s.dim = false, false
	case code == 23:
		s.italic = false
	case code == 24:
		s.underline = false
	case code >= 30 && code <= 37:
		s.colour = code - 30 + 1
	case code == 39:
		s.colour = 0
	case code >= 90 && code <= 97:
		s.colour = code - 90 + 8 + 1
	}
}

// palette reads a colour of 256, or of red, green and blue, and finds one of the
// sixteen that is near it.
func palette(codes []int) (colour int, rest []int) {
	if len(codes) >= 2 && codes[0] == 5 {
		n := codes[1]
		switch {
		case n < 0 || n > 255:
			return 0, codes[2:]
		case n < 16:
			return n + 1, codes[2:]
		case n >= 232: // greys
			return near(8+10*(n-232), 8+10*(n-232), 8+10*(n-232)), codes[2:]
		}
		n -= 16
		return near(n/36*51, n/6%6*51, n%6*51), codes[2:]
	}
	if len(codes) >= 4 && codes[0] == 2 {
		return near(codes[1], codes[2], codes[3]), codes[4:]
	}
	return 0, nil
}

// near is the one of the eight colours with the same hue, the page's own for greys.
func near(red, green, blue int) int {
	high, low := max(red, green, blue), min(red, green, blue)
	if high-low < 40 {
		if high < 140 {
			return 8 + 1
		}
		return 0
	}
	colour, half := 0, (high+low)/2
	for i, part := range []int{red, green, blue} {
		if part > half {
			colour |= 1 << i
		}
	}
	return colour + 1
}
