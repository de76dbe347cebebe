package config

import (
	"net/netip"
	"strconv"
)

func (l *loader) metricsFrom(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Bits() == 0 {
			key := "metrics.from"
			if l.set[key] == "" {
				key += "[" + strconv.Itoa(i) + "]"
			}
			l.wrong(key, "want a network such as 10.42.0.0/16, and not everybody, not %q", text)
			continue
		}
		all = append(all, prefix)
	}
	return all
}
