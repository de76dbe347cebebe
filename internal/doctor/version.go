package doctor

import (
	"regexp"
	"strconv"
	"strings"
)

// version is the upstream part of a version: numbers, and whether it is a release candidate of them.
type version struct {
	numbers [4]int // the last is the number of a release candidate, or released
	known   bool
}

// released comes after every release candidate.
const released = 1 << 30

var candidateShape = regexp.MustCompile(`^[-~.+]?(?:rc|beta|alpha)[-.]?(\d*)`)

var versionShape = regexp.MustCompile(`^v?(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?(.*)$`)

// parseVersion reads "v1.2.3", "1.1.5+ds1-1+deb12u1", "1.0.0-rc.95", "20.10.24+dfsg1", "2.39.5" and "6.18.44-fc-v657".
// What follows the numbers is a distribution's unless it says rc, beta or alpha.
func parseVersion(text string) version {
	parts := versionShape.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return version{}
	}
	v := version{known: true}
	for i, part := range parts[1:4] {
		v.numbers[i], _ = strconv.Atoi(part) // digits or empty, which is 0
	}
	v.numbers[3] = released
	if candidate := candidateShape.FindStringSubmatch(parts[4]); candidate != nil {
		v.numbers[3], _ = strconv.Atoi(candidate[1])
	}
	return v
}

func (v version) compare(w version) int {
	for i := range v.numbers {
		if v.numbers[i] != w.numbers[i] {
			return v.numbers[i] - w.numbers[i]
		}
	}
	return 0
}

// sameLine reports whether two versions differ in their last number only: fixes are made on several lines.
func (v version) sameLine(w version) bool {
	return v.numbers[0] == w.numbers[0] && v.numbers[1] == w.numbers[1]
}

// fixedIn reports whether v has a fix that was first released in these versions, of which the last is the newest
// line's: later lines have it from their beginning.
func (v version) fixedIn(firsts []string) bool {
	for i, text := range firsts {
		first := parseVersion(text)
		last := i == len(firsts)-1
		if v.compare(first) >= 0 && (last || v.sameLine(first)) {
			return true
		}
	}
	return false
}
