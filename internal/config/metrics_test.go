package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestMetricsAreForNamedNetworks(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, minimal+"metrics: {from: [10.42.0.0/16, 'fd00::/8', 192.0.2.7/32]}\n"), nil)
	want := []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.7/32")}
	if err != nil || !reflect.DeepEqual(c.MetricsFrom, want) {
		t.Errorf("%v, %v", c.MetricsFrom, err)
	}
	for _, wrong := range []string{"10.42.0.1/16", "0.0.0.0/0", "'::/0'", "10.42.0.1", "monitoring"} {
		if _, err := Load(write(t, minimal+"metrics: {from: ["+wrong+"]}\n"), nil); err == nil || !strings.Contains(err.Error(), "metrics.from[0]: want a network") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := Load(write(t, minimal), []string{"CODERFLOW_METRICS_FROM=10.42.0.0/16, nowhere"}); err == nil || !strings.Contains(err.Error(), "CODERFLOW_METRICS_FROM") {
		t.Errorf("in the variable: %v", err)
	}
}
